"""Folders as people have them, below which a service can be."""

PLACES = [
    "a, b [c] {d}/日本語 'e' \"f\" \\g $HOME `id` %20 #1 ?h=i&j|k;l@m:n *",
    "with blanks/two  of them",
    "a,b",
    "[brackets]/{a,b}/(c)",
    "日本語/サービス",
    "back\\slash",
    'quo\'te "s"',
    "$HOME `id` $(id)",
    "per%20cent #1 ?a=b&c|d;e@f:g",
    "*",
    "-dash",
]
