"""Certificates: what was proved, in a file that somebody else can check without trusting the engine."""
