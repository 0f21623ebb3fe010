"""Texts that somebody sends who means ill, or whose receiver is broken."""

TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=alert(1)>",
    "]]> &amp; &lt; & <!-- -->",
    "a\x00b\x0bc\x1b[31m\ud800\udfff\uffff",
    "\u202egnp.exe\u2066",
    "{values} {0} %s {",
    '=HYPERLINK("x")',
    "-2+3",
    '@sum\tA1,"b"\r\nC',
    "武汉站 \U0001f6f0",
    "x" * 5000,
]
