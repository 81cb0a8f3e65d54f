/* What Python's own headers ask of a 64-bit Windows, for mingw-w64: the interpreter's pyconfig.h is written for MSVC. */
#ifndef COMPL_PYCONFIG_H
#define COMPL_PYCONFIG_H

#if !defined(_WIN64) || !defined(__GNUC__)
#error "for x86_64-w64-mingw32-gcc; MSVC has the pyconfig.h of its interpreter"
#endif

#define MS_WINDOWS
#define MS_WIN32
#define MS_WIN64
#define NT_THREADS

/* The interpreter is python3XY.dll, and its data is imported from there. */
#define HAVE_DECLSPEC_DLL 1
#define Py_ENABLE_SHARED 1

/* LLP64: long has 4 bytes, pointers have 8; wchar_t is UTF-16. */
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_UINTPTR_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_PID_T 4
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF__BOOL 1
#define HAVE_LONG_LONG 1
#define HAVE_BUILTIN_ATOMIC 1
#define HAVE_WCHAR_H 1
#define HAVE_STDDEF_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define DOUBLE_IS_LITTLE_ENDIAN_IEEE754 1

/* Signatures are kept in docstrings. */
#define WITH_DOC_STRINGS 1

#endif
