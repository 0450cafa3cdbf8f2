"""Known answers on the machine of the user, for a protocol to sign."""
