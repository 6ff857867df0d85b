"""Installing plugins as one transaction: everything is fetched, verified and unpacked aside, then one rename makes it count."""
