"""Rules that link by themselves whatever a part of a tracker's work holds, as issues come and go."""
