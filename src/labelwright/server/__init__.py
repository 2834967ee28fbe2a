"""The HTTP door: routes, sign-in checks, and the browser app."""
