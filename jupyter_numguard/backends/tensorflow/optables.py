"""What is known of TensorFlow's operations beforehand: which need no look, which bring values in, which write.

Each table says why; an operation that is in none of them is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Finite operands cannot give a non-finite result, and no literal comes in: looked at only while something non-finite is
# known, to pass it on.
PASSING = frozenset(
    # movement
    "Identity IdentityN Reshape Transpose ExpandDims Gather GatherV2 GatherNd Squeeze StridedSlice StridedSliceGrad "
    "Slice Split SplitV Unpack Tile ReverseV2 ReverseSequence BroadcastTo StopGradient PreventGradient Bitcast DiagPart "
    "MatrixDiagPart MatrixDiagPartV3 MatrixBandPart Roll SpaceToBatchND BatchToSpaceND DepthToSpace SpaceToDepth "
    "CheckNumerics Snapshot Copy "
    # choice among the operands
    "Maximum Minimum Relu Relu6 ReluGrad Relu6Grad LeakyRelu LeakyReluGrad MaxPool MaxPoolV2 MaxPoolGrad MaxPool3D "
    "ClipByValue TopKV2 "
    # bounded results
    "Abs Neg Sign Floor Ceil Round Rint Sigmoid Tanh "
    # no float values at all, or constants of 0 and 1
    "Shape ShapeN Size Rank OnesLike ZerosLike VarHandleOp Placeholder Const RandomUniform StatelessRandomUniformV2 "
    "RandomStandardNormal StatelessRandomNormalV2 TruncatedNormal DebugNumericSummaryV2".split()
)

# Values come in from outside: a non-finite one was loaded, not made.
LOADING = frozenset(
    "IteratorGetNext IteratorGetNextSync IteratorGetNextAsOptional OptionalGetValue DecodeCSV DecodeRaw ParseTensor "
    "ParseExample ParseExampleV2 ParseSingleExample ParseSequenceExample StringToNumber Restore RestoreV2 RestoreSlice "
    "ReadVariableOp VarIsInitializedOp LookupTableFindV2 TensorArrayReadV3 GetSessionTensor Recv Fill Const "
    "ImmutableConst Placeholder PlaceholderWithDefault".split()
)

# Their integer operands say along what, or into which shape: settings, no values.
_AXES = frozenset(
    "Sum Mean Prod Max Min EuclideanNorm ArgMax ArgMin Cumsum Cumprod CumulativeLogsumexp ExpandDims Transpose Reshape Tile "
    "ConcatV2 Pad PadV2 MirrorPad Slice StridedSlice ReverseV2 BroadcastTo Split SplitV Roll".split()
)


def without_axes(op: str, operands: Sequence[Any]) -> Sequence[Any]:
    """The operands that hold values."""
    if op not in _AXES:
        return operands
    return [t for t in operands if not getattr(t.dtype, "is_integer", False)]


# Reading a variable: what is known of the variable holds for the result.
READING = frozenset("ReadVariableOp ResourceGather ResourceGatherNd".split())

# Writing a variable. The value is the operand at this index where one operand alone decides; None: the variable is read.
_WRITES: dict[str, int | None] = {
    "AssignVariableOp": 1,  # replaces
    "AssignAddVariableOp": None,  # finite + finite may overflow
    "AssignSubVariableOp": None,
}
_WRITE_PREFIXES = ("ResourceApply", "ResourceSparseApply", "ResourceScatter", "ResourceStridedSliceAssign")


def writes(op: str) -> bool:
    """Whether the operation changes a variable; it then has no outputs to look at."""
    return op in _WRITES or op.startswith(_WRITE_PREFIXES)


def replaces(op: str) -> bool:
    """Whether the variable's value is the value operand, whatever it held."""
    return _WRITES.get(op) is not None


_RESERVED = frozenset({3, 4, 5})

# Results that hold scratch values for the gradient kernel, uninitialised on some devices (TensorFlow's own list).
SCRATCH: dict[str, frozenset[int]] = {
    "FusedBatchNorm": frozenset({3, 4}),
    "FusedBatchNormV2": frozenset({3, 4}),
    "FusedBatchNormV3": _RESERVED,
}

# Functions written in Python: what they do inside is seen apart, as operations or not at all.
PYTHON_CALLS = frozenset("EagerPyFunc PyFunc PyFuncStateless".split())

# Data sets that run a function of the user's, on threads of their own.
DATA_FUNCTIONS = frozenset(
    "MapDataset ParallelMapDataset ParallelMapDatasetV2 FilterDataset FlatMapDataset InterleaveDataset "
    "ParallelInterleaveDatasetV4 MapAndBatchDataset ScanDataset GeneratorDataset ReduceDataset".split()
)

# What the user called to make one; Keras makes its own for every fit.
DATA_METHODS = frozenset(
    "map filter flat_map interleave scan from_generator reduce group_by_window map_and_batch take_while rejection_resample "
    "bucket_by_sequence_length".split()
)

# Calls of other graphs from a graph: their results are their graphs' doing.
CALLS = frozenset(
    "If StatelessIf While StatelessWhile Case StatelessCase PartitionedCall StatefulPartitionedCall".split()
)

# In a graph: results that only hold the operand's values, so that one flag serves both.
MOVING = frozenset(
    "Identity IdentityN Reshape Transpose ExpandDims Squeeze StopGradient PreventGradient BroadcastTo Tile Pack Unpack "
    "Split SplitV ConcatV2 Slice StridedSlice StridedSliceGrad GatherV2 GatherNd Neg Abs ReverseV2 Shape ShapeN Size "
    "Rank ZerosLike OnesLike Sign RandomUniform VarHandleOp Bitcast DebugNumericSummaryV2".split()
)

# In a graph: values that were not computed there.
SOURCES = frozenset("Const Placeholder ReadVariableOp IteratorGetNext OptionalGetValue Fill".split())
