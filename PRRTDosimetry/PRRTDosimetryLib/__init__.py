"""Science, node and command code of PRRT Dosimetry: from activity over time to absorbed dose and its effect."""
