"""Where plugins come from: registries, a wheel, a folder, the package index."""
