"""`make reference`: writes the pages."""

from dev.reference import ROOT, pages

if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).write_text(text)
        print(path)
