"""Other programs that write and read contours, in an environment of their own, for the round trips of the tests."""
