"""Review and blinded reading in a browser: rules of access, what a blinded reader sees, the live plane, the page."""
