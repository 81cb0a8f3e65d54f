"""Ask a C compiler for struct layouts, also one that compiles for a machine that is not at hand.

:func:`probe_source` writes a C program about some layouts, :func:`read_probe` reads what it found.  The numbers are
constants of the compiled file, as text: run the program and read its output, or, where nothing can run it, read the
object file or executable itself.  Both hold the same lines, such as::

    compl-layout struct epoll_event: 000012 000001; events 000000 000004; data.u64 000004 000008

size and align of the struct, then offset and size of each member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from compl_core.layout import Layout, Measured

_MARK = "compl-layout "
_LINE = re.compile(rb"compl-layout ([\w ]+): (\d{6}) (\d{6})((?:; [\w.\[\]]+ \d{6} \d{6})*)\r?\n")

_PROLOGUE = """\
#include <stddef.h>
#include <stdio.h>

#define DIGIT(number, place) (char)('0' + (unsigned long)(number) / (place) % 10)
#define NUMBER(number) \\
    ' ', DIGIT(number, 100000), DIGIT(number, 10000), DIGIT(number, 1000), DIGIT(number, 100), DIGIT(number, 10), \\
        DIGIT(number, 1)
#define ALIGN(type) offsetof(struct { char before; type it; }, it)
#define MEMBER(type, member) NUMBER(offsetof(type, member)), NUMBER(sizeof(((type *)0)->member))

/* Constants, so that they stand in the object file; not static, so that no compiler leaves them out. */
extern const char compl_layouts[];
const char compl_layouts[] = {
"""

_EPILOGUE = """\
};

int main(void) { return fwrite(compl_layouts, sizeof compl_layouts, 1, stdout) != 1; }
"""


def probe_source(layouts: Iterable[Layout], headers: Sequence[str], declarations: str = "") -> str:
    """A C program, standard but for what its headers need, that measures what ``layouts`` declare.

    ``headers`` in order: ``["sys/epoll.h"]``.  ``declarations``: C for types that no header has, put behind them.
    Raises ValueError for two layouts of one name: a compiler knows one machine only.
    """
    wanted = list(layouts)
    names = [layout.name for layout in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two layouts called {twice[0]}; probe for one architecture at a time")
    lines = [f"#include <{header}>\n" for header in headers]
    lines += [declarations.rstrip() + "\n"] if declarations else []
    lines.append(_PROLOGUE)
    for layout in wanted:
        lines.append(f"    {_characters(_MARK + layout.name + ':')},\n")
        lines.append(f"    NUMBER(sizeof({layout.name})), NUMBER(ALIGN({layout.name})),\n")
        lines += [
            f"    {_characters(f'; {field.name}')}, MEMBER({layout.name}, {field.name}),\n" for field in layout.fields
        ]
        lines.append("    '\\n',\n")
    return "".join([*lines, _EPILOGUE])


def read_probe(found: bytes) -> dict[str, Measured]:
    """What a probe measured, from its output or from the file that the compiler made of it; by name of the struct.

    Raises ValueError where there is nothing to read: the file is no probe, or was compressed or stripped of its data.
    """
    measured: dict[str, Measured] = {}
    for name, size, align, members in _LINE.findall(found):
        fields = {}
        for member in members.decode("ascii").split("; ")[1:]:
            field, offset, length = member.split(" ")
            fields[field] = (int(offset), int(length))
        measured[name.decode("ascii")] = Measured(size=int(size), align=int(align), fields=fields)
    if not measured:
        raise ValueError(f"no layouts in these {len(found)} bytes: not the output or the file of a probe")
    return measured


def _characters(text: str) -> str:
    return ", ".join(f"'{character}'" for character in text)
