"""Who asks: admin secret, JWT, webhook, and the session variables they give."""
