"""What CHANGELOG.md says about the next release."""

import re

STEPS = ["patch", "minor", "major"]
_DEMANDS = {
    "Breaking": "major",
    "Added": "minor",
    "Changed": "minor",
    "Deprecated": "minor",
    "Removed": "minor",
    "Fixed": "patch",
    "Security": "patch",
}
_UNRELEASED = "## [Unreleased]\n"


def sections(text: str) -> dict[str, str]:
    """The text below each version's heading, newest first; "Unreleased" is the first."""
    parts = re.split(r"^## \[(.+?)\].*\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section: str) -> dict[str, str]:
    """The text below each heading of a version."""
    parts = re.split(r"^### (.+)\n", section, flags=re.MULTILINE)
    return {heading: body for heading, body in zip(parts[1::2], parts[2::2], strict=True) if body.strip()}


def demanded(text: str) -> str:
    """The smallest step that the unreleased entries allow. Raises ValueError where there is none to release."""
    unreleased = entries(sections(text).get("Unreleased", ""))
    unknown = unreleased.keys() - _DEMANDS.keys()
    if unknown:
        raise ValueError(f"CHANGELOG.md has the heading {min(unknown)}: use one of {', '.join(_DEMANDS)}.")
    if not unreleased:
        raise ValueError(
            "CHANGELOG.md has nothing under [Unreleased]: write down what services get, or release nothing."
        )
    return max((_DEMANDS[heading] for heading in unreleased), key=STEPS.index)


def announced(text: str, since: str) -> str:
    """What stands under Breaking in all versions newer than that one."""
    newer = []
    for version, section in sections(text).items():
        if version == since:
            break
        newer.append(entries(section).get("Breaking", ""))
    return "\n".join(newer)


def released(text: str, version: str, date: str) -> str:
    """The changelog with the unreleased entries under a version of their own."""
    return text.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {date}\n", 1)
