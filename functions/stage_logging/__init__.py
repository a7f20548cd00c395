"""The stage_logging function: switches access logs on at stages that somebody else owns, and gives back what was."""
