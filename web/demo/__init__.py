"""Ladder beside a stand-in Jira site, all on this machine: to look around in, or to play a story that is checked."""
