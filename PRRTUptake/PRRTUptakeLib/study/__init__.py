"""One patient's study: case, protocol, designs and the run that measures."""
