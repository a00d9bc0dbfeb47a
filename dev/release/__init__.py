"""What a release of this template is, what it promises, and how the next one is made."""
