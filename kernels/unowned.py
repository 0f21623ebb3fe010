"""Arrays without counted references, for kernels that call many small ones.

Each call of a function with an array counts a reference up and down, which are two atomic operations for each
array of a `NamedTuple`. The caller of the outermost kernel holds all of its arrays until it returns, so that
nothing inside needs to. (Numba's runtime ignores references to nothing.)
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


def _unowned(typing_context: Any, arrays: Any) -> Any:  # noqa: ARG001
    """Return a tuple of arrays, shapes as they are, that are valid as long as the given ones are held."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = args[0]
        for i, kind in enumerate(signature.args[0].types):
            view: Any = make_array(kind)  # type: ignore[no-untyped-call]
            array = view(context, builder, builder.extract_value(made, i))
            for name in ("meminfo", "parent"):
                nothing = cgutils.get_null_value(getattr(array, name).type)  # type: ignore[no-untyped-call]
                setattr(array, name, nothing)
            made = builder.insert_value(made, array._getvalue(), i)
        return made

    return arrays(arrays), generate


unowned: Any = intrinsic(_unowned)
