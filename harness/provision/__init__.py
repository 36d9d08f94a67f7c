"""Targets are brought up and taken down: by playbooks, or found where they were adopted."""
