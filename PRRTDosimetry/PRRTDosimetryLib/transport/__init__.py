"""Dose by Monte Carlo through the patient's own tissues, with a transport code that others wrote (ompMC)."""
