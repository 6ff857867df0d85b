"""The models that travel between plugins and the core: pydantic, frozen, one per thing."""
