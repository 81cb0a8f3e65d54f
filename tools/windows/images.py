"""Windows program images (PE32+) that no compiler is needed for: python.exe, python3.dll, and what a DLL exports.

The format is Microsoft's "PE Format" (https://learn.microsoft.com/windows/win32/debug/pe-format).  Each image has its
headers in the first two file blocks, then its sections, each of which begins a page.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_BLOCK = 0x200  # of the file
_PAGE = 0x1000  # of the image in memory
_HEADERS = 2 * _BLOCK
_STACK = 8 << 20  # as python.org's newest; older ones reserve 2 MB

_CODE, _DATA, _CONSTANT = 0x60000020, 0xC0000040, 0x40000040
_EXECUTABLE, _LIBRARY = 0x0023, 0x2022  # both: large addresses
_CONSOLE, _WINDOWS = 3, 2

#: Without a manifest that names it, Windows 10 says that it is version 6.2.
_MANIFEST = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application><supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/></application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
    </windowsSettings>
  </application>
</assembly>
"""


class _Section(NamedTuple):
    name: bytes
    address: int
    content: bytes
    flags: int


def launcher(python_dll: str, *, console: bool = True) -> bytes:
    """An .exe that does what python.org's does: hands the wide command line to ``Py_Main`` of a DLL."""
    text, data, resources = _PAGE, 2 * _PAGE, 3 * _PAGE
    startup = ["_configure_wide_argv", "_initialize_wide_environment", "__p___wargv", "__p___argc", "exit"]
    imported, slots, tables = _imports(data, {"ucrtbase.dll": startup, python_dll: ["Py_Main"]})
    code = _main(text, slots)
    imported = _padded(imported, 4)
    unwind = len(imported)
    imported += bytes([1, 4, 1, 0, 4, 0x42, 0, 0])  # what a stack walk undoes: sub rsp, 0x28, of 4 bytes
    functions = len(imported)
    imported += struct.pack("<3I", text, text + len(code), data + unwind)
    manifest = _manifest(resources)
    directories = {
        1: (data, 60),
        2: (resources, len(manifest)),
        3: (data + functions, 12),
        12: (data + tables, 8 * (len(slots) + 2)),
    }
    sections = [
        _Section(b".text", text, code, _CODE),
        _Section(b".data", data, imported, _DATA),
        _Section(b".rsrc", resources, manifest, _CONSTANT),
    ]
    system = _CONSOLE if console else _WINDOWS
    return _image(sections, directories, entry=text, base=0x140000000, kind=_EXECUTABLE, system=system)


def forwarder(name: str, target: str, names: Sequence[bytes]) -> bytes:
    """A .dll called ``name`` whose exports all lead to those of ``target`` (without its suffix).

    python3.dll, which modules of the stable ABI import, is one.  It forwards all that the target has.
    """
    count = len(names)
    functions = 40
    pointers = functions + 4 * count
    ordinals = pointers + 4 * count
    strings = _PAGE + ordinals + 2 * count
    words = name.encode() + b"\0"
    public, forwards = [], []
    for symbol in names:
        public.append(strings + len(words))
        words += symbol + b"\0"
        forwards.append(strings + len(words))
        words += target.encode() + b"." + symbol + b"\0"
    places = (_PAGE + functions, _PAGE + pointers, _PAGE + ordinals)
    content = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, strings, 1, count, count, *places)
    content += struct.pack(f"<{count}I{count}I{count}H", *forwards, *public, *range(count)) + words
    section = _Section(b".edata", _PAGE, content, _CONSTANT)
    return _image([section], {0: (_PAGE, len(content))}, entry=0, base=0x1A0000000, kind=_LIBRARY, system=_WINDOWS)


def exports(image: bytes) -> list[bytes]:
    """The names that a PE32+ image exports, sorted.  Raises ValueError for one that is none."""
    if image[:2] != b"MZ":
        raise ValueError("not a Windows image: it does not begin with MZ")
    (header,) = struct.unpack_from("<I", image, 0x3C)
    (count,) = struct.unpack_from("<H", image, header + 6)
    (size,) = struct.unpack_from("<H", image, header + 20)
    sections = [struct.unpack_from("<8x4I", image, header + 24 + size + 40 * number) for number in range(count)]

    def place(address: int) -> int:
        for length, start, stored, offset in sections:
            if start <= address < start + max(length, stored):
                return int(address - start + offset)
        raise ValueError(f"not a Windows image: no section has the address {address:#x}")

    (directory,) = struct.unpack_from("<I", image, header + 24 + 112)
    number, _, names = struct.unpack_from("<III", image, place(directory) + 24)
    starts = [place(address) for address in struct.unpack_from(f"<{number}I", image, place(names))]
    return sorted(image[start : image.index(b"\0", start)] for start in starts)


def _imports(base: int, wanted: Mapping[str, Sequence[str]]) -> tuple[bytes, dict[str, int], int]:
    """The import directory at an address, where each function's address will stand, and the offset of these."""
    size = sum(len(names) + 1 for names in wanted.values()) * 8
    lookup = (len(wanted) + 1) * 20
    lookup += -lookup % 8
    addresses = lookup + size
    strings = addresses + size
    words = descriptors = thunks = b""
    slots = {}
    for library, names in wanted.items():
        position = len(thunks)
        descriptors += struct.pack(
            "<5I", base + lookup + position, 0, 0, base + strings + len(words), base + addresses + position
        )
        words += _padded(library.encode() + b"\0", 2)
        for name in names:
            slots[name] = base + addresses + len(thunks)
            thunks += struct.pack("<Q", base + strings + len(words))
            words += _padded(b"\0\0" + name.encode() + b"\0", 2)
        thunks += bytes(8)
    return descriptors.ljust(lookup, b"\0") + thunks + thunks + words, slots, addresses


def _main(base: int, slots: Mapping[str, int]) -> bytes:
    code = b"\x48\x83\xec\x28"  # sub rsp, 0x28
    for before, function in (
        (b"\xb9\x01\x00\x00\x00", "_configure_wide_argv"),  # mov ecx, 1
        (b"", "_initialize_wide_environment"),
        (b"", "__p___wargv"),
        (b"\x48\x8b\x18", "__p___argc"),  # mov rbx, [rax]
        (b"\x8b\x08\x48\x89\xda", "Py_Main"),  # mov ecx, [rax]; mov rdx, rbx
        (b"\x89\xc1", "exit"),  # mov ecx, eax
    ):
        code += before
        code += b"\xff\x15" + struct.pack("<i", slots[function] - (base + len(code) + 6))  # call [slot]
    return code + b"\xcc"  # int3: exit does not return


def _manifest(base: int) -> bytes:
    """Resources with one in it: type 24 (RT_MANIFEST), id 1, US English."""
    tree = b""
    for level, identity in enumerate((24, 1, 0x409)):
        below = (level + 1) * 24
        tree += struct.pack("<IIHHHH", 0, 0, 0, 0, 0, 1)
        tree += struct.pack("<II", identity, below if level == 2 else below | 0x80000000)
    return tree + struct.pack("<4I", base + len(tree) + 16, len(_MANIFEST), 0, 0) + _MANIFEST


def _image(
    sections: Sequence[_Section],
    directories: Mapping[int, tuple[int, int]],
    *,
    entry: int,
    base: int,
    kind: int,
    system: int,
) -> bytes:
    last = sections[-1]
    size = last.address + len(last.content)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, _BLOCK, 2 * _BLOCK, 0, entry, _PAGE)
    optional += struct.pack("<QIIHHHHHH", base, _PAGE, _BLOCK, 6, 0, 0, 0, 6, 0)
    optional += struct.pack("<IIII", 0, size + -size % _PAGE, _HEADERS, 0)
    optional += struct.pack("<HHQQQQII", system, 0x8100, _STACK, 0x10000, 1 << 20, 0x1000, 0, 16)
    for number in range(16):
        optional += struct.pack("<II", *directories.get(number, (0, 0)))
    headers = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    headers += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), kind) + optional
    body = b""
    for section in sections:
        stored = _padded(section.content, _BLOCK)
        place = (len(section.content), section.address, len(stored), _HEADERS + len(body))
        headers += struct.pack("<8sIIIIIIHHI", section.name, *place, 0, 0, 0, 0, section.flags)
        body += stored
    return headers.ljust(_HEADERS, b"\0") + body


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)
