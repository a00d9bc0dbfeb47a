"""As much of SVG as the pictures need. Each has its own background, so that it is legible on a light and a dark page."""

from html import escape

MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SANS = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans JP', 'DejaVu Sans', sans-serif"


def document(width: int, height: int, title: str, parts: list[str]) -> str:
    """A whole picture; the title is what a screen reader says."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img"><title>{escape(title)}</title>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def element(name: str, content: str = "", **attributes: object) -> str:
    """One element; an underscore in an attribute's name stands for a hyphen."""
    written = " ".join(
        f'{key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items()
    )
    return f"<{name} {written}>{content}</{name}>" if content else f"<{name} {written}/>"


def text(content: str, **attributes: object) -> str:
    """A line of text, whose blanks count."""
    return element("text", escape(content, quote=False), xml__space="preserve", **attributes).replace(
        "xml--space", "xml:space"
    )
