"""numpy brings BLAS, which has threads of its own and asks for the machine's memory nodes."""

import tempfile

import numpy

a = numpy.random.default_rng(1).random((800, 800))
assert numpy.allclose(a @ numpy.linalg.inv(a), numpy.eye(800), atol=1e-6)
numpy.linalg.svd(a[:200, :200])
numpy.fft.fft2(a)
with tempfile.NamedTemporaryFile() as f:
    m = numpy.memmap(f.name, dtype="float64", mode="w+", shape=(1000, 1000))
    m[:] = 1
    m.flush()
    assert m.sum() == 1e6
