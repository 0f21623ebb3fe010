"""The decorator of all kernels: numba's `njit`, without what nobody asks for.

Most kernels are called by other kernels only, and compiling them is what a first start waits for. So what
another kernel calls has no wrappers for Python and C, which cost as much as many kernels themselves; what
Python calls is compiled beside it. And there is no version of a kernel for each integer or truth value that
stands in a call: the helpers that write what a detector has found are called with dozens of codes. What is
small is inlined, where LLVM sees the constant all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba import types

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

Function = TypeVar("Function", bound=Callable[..., object])
_njit: Any = numba.njit  # its types do not name all of its options


def njit(**options: Any) -> Callable[[Function], Dispatcher[Function]]:
    """Return a decorator as `numba.njit(**options)` does."""

    def decorate(function: Function) -> Dispatcher[Function]:
        made: Any = _njit(no_cfunc_wrapper=True, **options)(function)
        if options.get("inline") != "always":
            _lead_kernels_to(_inner(function, options), made)
        return made  # type: ignore[no-any-return]

    return decorate


def _inner(function: Any, options: dict[str, Any]) -> Any:
    """Return the kernel for kernels. Python must never call it, and so nobody else gets it."""
    copy: Any = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__module__ = function.__module__
    copy.__qualname__ = f"{function.__qualname__}.inner"  # its name in the cache
    return _njit(no_cfunc_wrapper=True, no_cpython_wrapper=True, **options)(copy)


def _lead_kernels_to(inner: Any, made: Any) -> None:
    """Let kernels that call `made` get versions of `inner`: they ask these two methods of the instance."""

    def get_call_template(args: Any, named: dict[str, Any]) -> Any:
        return inner.get_call_template(
            tuple(_any_value(kind) for kind in args),
            {name: _any_value(kind) for name, kind in named.items()},
        )

    made.get_call_template = get_call_template
    made.get_overload = inner.get_overload


def _any_value(kind: Any) -> Any:
    """Return the type of a constant's value; texts stay constants, since they name fields."""
    return kind.literal_type if isinstance(kind, types.IntegerLiteral | types.BooleanLiteral) else kind
