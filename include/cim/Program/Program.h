// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The device program in memory: what the assembler produces, the .cimb reader
// loads, the validator checks and the device model executes. The architectural
// meaning of every field is normative in docs/device.md; this file repeats only
// what a programmer needs. Plain data, no MLIR.
#ifndef CIM_PROGRAM_PROGRAM_H
#define CIM_PROGRAM_PROGRAM_H

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cim/Target/TargetSpec.h"

namespace cim {

/// Element types of memory operands. Sub-byte integers and i1 occupy one byte
/// per element in data memories (weights are packed as bit planes instead).
enum class DType : uint8_t {
  I1 = 0,
  I8,
  U8,
  I16,
  U16,
  I32,
  U32,
  I64,
  U64,
  F16,
  BF16,
  F32,
  F64,
};
/// Bytes of one element in memory.
unsigned byteSize(DType type);
bool isFloat(DType type);
bool isSigned(DType type);
/// "i1", "i8", "u8", ... "f64".
const char *name(DType type);
/// As .npz files say it (cim/Support/Npz.h): "b1", "i1", "u1", ... "f8"; of
/// bfloat16, which NumPy does not have, what ml_dtypes writes: "V2".
const char *npyName(DType type);

/// Memories an instruction can name. L1 and ACC are private to the core that
/// executes the instruction; L2 and DRAM belong to a chip.
enum class Space : uint8_t { DRAM = 0, L2, L1, ACC };
const char *name(Space space);

/// A byte address.
struct Address {
  Space space = Space::DRAM;
  uint8_t chip = 0; ///< DRAM and L2 only.
  uint64_t offset = 0;
  bool operator==(const Address &) const = default;
};

/// One dimension of a strided access: `size` iterations, `stride` bytes apart.
struct Dim {
  int64_t size = 1;
  int64_t stride = 0;
  bool operator==(const Dim &) const = default;
};

/// Blocks the instruction until semaphore `id` has reached `value`.
/// Semaphores count up from zero at the start of a run and never wrap.
struct Wait {
  uint16_t id = 0;
  uint64_t value = 0;
  bool operator==(const Wait &) const = default;
};
constexpr uint16_t kNoSemaphore = 0xffff;

//===----------------------------------------------------------------------===//
// Instructions, one struct each. docs/device.md section 4.
//===----------------------------------------------------------------------===//

/// Strided copy: element (i0..ik) of src to the same index of dst. At most
/// `maxDmaDims` dimensions (6); sizes shared, strides per side.
struct DmaCopy {
  Address src, dst;
  uint8_t elemBytes = 1; ///< 1, 2, 4 or 8.
  std::vector<int64_t> sizes, srcStrides, dstStrides;
  bool operator==(const DmaCopy &) const = default;
};

/// Strided fill of `value`'s low `elemBytes` bytes.
struct DmaFill {
  Address dst;
  uint8_t elemBytes = 1;
  uint64_t value = 0;
  std::vector<Dim> dims;
  bool operator==(const DmaFill &) const = default;
};

/// How the source of a weight write is encoded.
enum class WeightFormat : uint8_t {
  Planes = 0, ///< Packed bit planes, two's complement (device.md 3.3).
  Int8,       ///< Plain strided int8 matrix (weights that are activations).
  Bfp,        ///< Packed block floating point (device.md 3.4).
  F32,        ///< Strided fp32 matrix, converted to bfp by the write port.
  F16,        ///< Strided fp16 matrix, converted to bfp by the write port.
};

/// Writes a `rows` x `cols` weight tile into a set of the core's array.
struct WriteWeights {
  uint8_t set = 0;
  uint16_t row0 = 0, col0 = 0; ///< Position; multiples of the macro's size.
  uint16_t rows = 0, cols = 0;
  /// The tile is written `copies` times side by side, copy c at
  /// row0 + (c / copyCols) * copyRowPitch, col0 + (c % copyCols) *
  /// copyColPitch.
  uint16_t copies = 1, copyCols = 1;
  uint16_t copyRowPitch = 0, copyColPitch = 0;
  WeightFormat format = WeightFormat::Planes;
  uint8_t planes = 8;     ///< Width of the stored weights in bits; mantissa
                          ///< width for bfp.
  uint8_t blockRows = 64; ///< bfp: rows that share an exponent.
  Address src;
  int64_t rowStride = 0, colStride = 0; ///< Bytes; Int8, F32 and F16 formats.
  /// Planes that are issued per column group of the target's
  /// `plane_skip_columns`; a clear bit makes the plane read as zero. One entry
  /// per group; empty means all planes.
  std::vector<uint16_t> planeMasks;
  bool operator==(const WriteWeights &) const = default;
};

/// Where the accumulators start.
enum class AccInit : uint8_t {
  Zero = 0,
  Bias,       ///< acc[m][n] = bias[n] (int32, or fp32 in bfp mode).
  Accumulate, ///< acc[m][n] keeps its value.
};

/// acc[m][n] (+)= sum_k (act[m][k]) * weight[k][n]. The activation address of
/// (m, k) is `act` plus the strides of the m loops and of the k loops, loops
/// listed outermost first; the product of k sizes equals the tile's rows.
struct Mac {
  uint8_t set = 0;
  uint16_t row0 = 0, col0 = 0, rows = 0, cols = 0;
  uint16_t copies = 1; ///< Must equal the copies the tile was written with.
  DType actType = DType::I8; ///< I8, U8, I16; F16 or F32 in bfp mode.
  Address act;               ///< In L1.
  std::vector<Dim> m, k;     ///< At most 4 dimensions each.
  Address acc;               ///< In ACC.
  int64_t accStride = 0; ///< Bytes between rows of acc; columns are 4 apart.
  AccInit init = AccInit::Zero;
  Address bias; ///< In L1; used by AccInit::Bias.
  bool operator==(const Mac &) const = default;
};

/// A strided operand of a vector kernel; strides in bytes per loop of the nest.
/// `limits` bounds the gathered dimensions (see MicroOp::Gather).
struct VecOperand {
  Address base;
  std::vector<int64_t> strides;
  std::vector<Dim> gather; ///< size = extent, stride = bytes; may be empty.
  bool operator==(const VecOperand &) const = default;
};

/// Runs vector kernel `kernel` over the loop nest `sizes` (at most 6 loops,
/// outermost first, executed in lexicographic order).
struct Vec {
  uint32_t kernel = 0;
  std::vector<int64_t> sizes;
  /// Bit i set: loop i is a reduction (ordered); clear: its iterations are
  /// independent.
  uint8_t reductionMask = 0;
  /// First value of the index of each loop (MicroOp::Index); empty means zero.
  std::vector<int64_t> indexBase;
  std::vector<VecOperand> operands; ///< Kernel inputs, then outputs.
  bool operator==(const Vec &) const = default;
};

/// Firmware kernel of the control processor (device.md section 4.6).
struct Ctrl {
  uint16_t kernel = 0;
  std::vector<int64_t> params;
  std::vector<VecOperand> operands;
  bool operator==(const Ctrl &) const = default;
};

/// Begins a loop of `count` iterations that ends at the matching LoopEnd.
/// Loops nest at most 4 deep; iteration numbers drive `Instruction::steps`.
struct LoopBegin {
  uint64_t count = 1;
  bool operator==(const LoopBegin &) const = default;
};
struct LoopEnd {
  bool operator==(const LoopEnd &) const = default;
};
/// Does nothing but wait and signal.
struct Nop {
  bool operator==(const Nop &) const = default;
};

using Operation = std::variant<Nop, LoopBegin, LoopEnd, DmaCopy, DmaFill,
                               WriteWeights, Mac, Vec, Ctrl>;

/// Fields of an instruction that may change with the loop iteration.
enum class StepField : uint8_t {
  Src = 0,   ///< DmaCopy.src, WriteWeights.src, Mac.act (byte offset)
  Dst,       ///< DmaCopy.dst, DmaFill.dst, Mac.acc (byte offset)
  Bias,      ///< Mac.bias
  Set,       ///< WriteWeights.set, Mac.set
  WaitValue, ///< waits[index].value
  Operand,   ///< Vec/Ctrl operands[index].base
  IndexBase, ///< Vec.indexBase[index]
};
/// field += delta * (iteration number of loop level `loop`, outermost = 0).
struct Step {
  StepField field = StepField::Src;
  uint8_t index = 0;
  uint8_t loop = 0;
  int64_t delta = 0;
  bool operator==(const Step &) const = default;
};

/// One instruction of a queue.
struct Instruction {
  Operation op;
  std::vector<Wait> waits;
  uint16_t signal = kNoSemaphore; ///< Incremented by one at completion.
  std::vector<Step> steps;
  uint32_t loc = 0; ///< Index into Program::locations.
  bool operator==(const Instruction &) const = default;
};

//===----------------------------------------------------------------------===//
// Vector kernels. docs/device.md section 4.5, numbers in docs/numerics.md.
//===----------------------------------------------------------------------===//

/// Operations of the vector unit's micro-programs. Registers are written once;
/// arithmetic happens in the type `MicroInst::type`. Meanings are in
/// MicroOps.def.
enum class MicroOp : uint8_t {
#define CIM_MICRO_OP(Name, text, args) Name,
#include "cim/Program/MicroOps.def"
};

/// Predicates of CmpInt and CmpFloat; the numbering is arith's.
enum class CmpIntPredicate : uint8_t {
  EQ,
  NE,
  SLT,
  SLE,
  SGT,
  SGE,
  ULT,
  ULE,
  UGT,
  UGE
};
enum class CmpFloatPredicate : uint8_t {
  False,
  OEQ,
  OGT,
  OGE,
  OLT,
  OLE,
  ONE,
  ORD,
  UEQ,
  UGT,
  UGE,
  ULT,
  ULE,
  UNE,
  UNO,
  True
};

/// "load", "gather", ... in the order of the enumeration.
const char *name(MicroOp op);

struct MicroInst {
  MicroOp op = MicroOp::Const;
  DType type = DType::F32; ///< Result type (operand type for compares/stores).
  DType srcType = DType::F32; ///< Source type of casts and quantizations.
  uint16_t dst = 0;
  std::vector<uint16_t> args;
  uint64_t imm = 0;
  bool operator==(const MicroInst &) const = default;
};

/// A vector kernel: the straight-line program run once per iteration.
struct Kernel {
  std::string name;
  std::vector<DType> inputs, outputs; ///< Operand order of Vec::operands.
  uint16_t registers = 0;
  std::vector<MicroInst> body;
  bool operator==(const Kernel &) const = default;
};

//===----------------------------------------------------------------------===//
// The program.
//===----------------------------------------------------------------------===//

enum class Engine : uint8_t { WeightWrite = 0, Mac, Vec, Dma, Ctrl };
const char *name(Engine engine);

/// An in-order instruction queue of one engine.
struct Queue {
  uint8_t chip = 0, core = 0;
  Engine engine = Engine::Ctrl;
  uint8_t index = 0; ///< Dma: channel number.
  std::vector<Instruction> instructions;
  bool operator==(const Queue &) const = default;
};

/// Streams that run together. All semaphores are zero at its start.
struct Stage {
  std::vector<Queue> queues;
  bool operator==(const Stage &) const = default;
};

/// Quantization of a program input or output; scale 0 means not quantized.
struct QuantInfo {
  float scale = 0;
  int32_t zeroPoint = 0;
  bool operator==(const QuantInfo &) const = default;
};

/// A dimension of an output whose length a run decides: it is the value of
/// output number `output`, an i64 of rank 0; the shape says the most it can be,
/// and elements beyond the length mean nothing.
struct OutputLength {
  uint32_t dim = 0;
  uint32_t output = 0;
  bool operator==(const OutputLength &) const = default;
};

/// Why outputs of several runs cannot be joined along their first dimension.
inline constexpr const char *kDifferentLengths =
    "the run-time length of a dimension other than the first differs between "
    "runs; such outputs cannot be joined; give the inputs of one run";

/// A program input or output: dense, row-major, at a DRAM address. The runtime
/// copies user arrays there and back.
struct TensorInfo {
  std::string name;
  DType type = DType::F32;
  std::vector<int64_t> shape;
  Address address;
  QuantInfo quant;
  std::vector<OutputLength> lengths; ///< Outputs only.
  bool hidden = false; ///< An output for the runtime, not for the user.
  bool operator==(const TensorInfo &) const = default;
};

/// Bytes of a constant. Owned by a string or mapped from the program file.
class Blob {
public:
  Blob() = default;
  explicit Blob(std::string bytes)
      : owned(std::make_shared<std::string>(std::move(bytes))),
        ptr(owned->data()), len(owned->size()) {}
  /// A view into memory that `keepAlive` owns.
  Blob(const char *data, size_t size, std::shared_ptr<const void> keepAlive)
      : keep(std::move(keepAlive)), ptr(data), len(size) {}
  const char *data() const { return ptr; }
  size_t size() const { return len; }

private:
  std::shared_ptr<std::string> owned;
  std::shared_ptr<const void> keep;
  const char *ptr = nullptr;
  size_t len = 0;
};

/// Constant data preloaded at a DRAM address; read-only while running.
struct Segment {
  std::string name;
  Address address;
  Blob data;
};

/// Where an instruction came from.
struct Location {
  std::string node;  ///< Source (ONNX) node name(s).
  std::string layer; ///< Region the compiler put it in; rows of the report.
  bool operator==(const Location &) const = default;
};

/// Per-layer facts the report joins with measured cycles.
struct LayerInfo {
  std::string name;   ///< Equals Location::layer.
  std::string op;     ///< "conv", "matmul", "vector", "move", ...
  std::string format; ///< "w8a8", "bfp16", "f32", ...
  std::vector<std::string> nodes;
  uint64_t macs = 0;
  uint64_t predictedCycles = 0;
  std::string schedule; ///< Printed schedule attribute.
  std::string note;     ///< What the compiler has to say about it, in words.
  bool operator==(const LayerInfo &) const = default;
};

/// Named memory interval for the memory map.
struct BufferInfo {
  std::string name;
  Address address;
  uint8_t core = 0;
  uint64_t size = 0;
  uint32_t firstLayer = 0, lastLayer = 0; ///< Live interval in layer indices.
  bool operator==(const BufferInfo &) const = default;
};

struct Program {
  std::string model;    ///< Model name.
  std::string producer; ///< Compiler version.
  TargetSpec target;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<Segment> segments;
  std::vector<Kernel> kernels;
  std::vector<Location> locations; ///< Entry 0 is "unknown".
  std::vector<LayerInfo> layers;
  std::vector<BufferInfo> buffers;
  uint16_t semaphores = 0; ///< Semaphores 0 .. semaphores-1 may be named.
  uint64_t dramBytes = 0;  ///< DRAM the program needs per chip.
  /// Runs once after loading: makes weights resident in L2 and macros.
  Stage load;
  /// Runs for every inference.
  Stage run;
  uint64_t predictedCycles = 0;     ///< Cost model, steady state.
  uint64_t lowerBoundCycles = 0;    ///< No schedule can be faster.
  uint64_t predictedLoadCycles = 0; ///< Cost model, the load stage.
  std::string reportJson; ///< Compile report (compile times, options).
};

} // namespace cim

#endif // CIM_PROGRAM_PROGRAM_H
