"""How a 3 x 3 kernel for a doubled tensor is a 4 x 4 transposed one for the tensor itself."""

from typing import Final

KERNEL_SUMS: Final = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""[4, 3]: row y of the 4 x 4 kernel is a sum of rows of the 3 x 3 kernel; columns likewise.

An even row of the result lies at the upper edge of a doubled pixel: one row of the kernel meets the
pixel above (y = 3), two meet the pixel itself (y = 1). An odd row lies at the lower edge (y = 0 and
2). With x doubled, y[2i] = k0 x[i-1] + (k1 + k2) x[i] and y[2i+1] = (k0 + k1) x[i] + k2 x[i+1].
"""
