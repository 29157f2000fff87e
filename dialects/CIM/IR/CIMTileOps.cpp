// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the tile level. Constraint names are those of the op docs.
#include "dialects/CIM/IR/CIM.h"

using namespace mlir;
using namespace cim::ir;

/// Bytes of one element as stored in data memories: sub-byte types take one.
static int64_t storedBytes(Type type) {
  if (type.isIndex())
    return 8;
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

static int64_t byteSize(MemRefType type) {
  return type.getNumElements() * storedBytes(type.getElementType());
}

MemAttr BufferOp::getMem() {
  return cast<MemAttr>(cast<MemRefType>(getType()).getMemorySpace());
}

int64_t BufferOp::getByteSize() {
  return byteSize(cast<MemRefType>(getType()));
}

LogicalResult BufferOp::verify() {
  auto type = dyn_cast<MemRefType>(getType());
  if (!type || !type.hasStaticShape() || !type.getLayout().isIdentity() ||
      !isa_and_nonnull<MemAttr>(type.getMemorySpace()))
    return emitOpError("buffer_c1: the type must be a static memref with "
                       "identity layout and a #cim.mem memory space, found ")
           << getType();
  if (getValue().has_value() != (getKind() == BufferKind::constant))
    return emitOpError("buffer_c2: a value is present exactly for constants");
  if (getValue()) {
    auto valueType = cast<ShapedType>(getValue()->getType());
    int64_t bytes =
        valueType.getNumElements() * storedBytes(valueType.getElementType());
    if (bytes != byteSize(type))
      return emitOpError("buffer_c2: value has ")
             << bytes << " bytes, the buffer " << byteSize(type);
  }
  BufferKind kind = getKind();
  if (kind != BufferKind::temp && kind != BufferKind::resident &&
      getMem().getSpace() != MemorySpace::dram)
    return emitOpError("buffer_c3: ")
           << stringifyBufferKind(kind) << " buffers are in dram, found "
           << stringifyMemorySpace(getMem().getSpace());
  if (int64_t offset = getOffset().value_or(0); offset < 0 || offset % 64)
    return emitOpError("buffer_c4: offset ")
           << offset << " is not a multiple of 64";
  return success();
}

/// Checks dma_c1 and dma_c2 for one side.
static LogicalResult verifyAccess(Operation *op, StringRef rule, Value buffer,
                                  int64_t offset, ArrayRef<int64_t> sizes,
                                  ArrayRef<int64_t> strides,
                                  int64_t elemBytes) {
  if (sizes.size() != strides.size())
    return op->emitOpError() << rule << ": " << sizes.size() << " sizes but "
                             << strides.size() << " strides";
  int64_t low = offset, high = offset + elemBytes;
  for (auto [size, stride] : llvm::zip_equal(sizes, strides)) {
    if (size < 1)
      return op->emitOpError()
             << rule << ": size " << size << " is not positive";
    (stride < 0 ? low : high) += stride * (size - 1);
  }
  auto type = dyn_cast<MemRefType>(buffer.getType());
  if (!type || !type.hasStaticShape())
    return op->emitOpError() << rule << ": operands are static memrefs";
  if (low < 0 || high > byteSize(type))
    return op->emitOpError()
           << rule << ": access to bytes [" << low << ", " << high
           << ") leaves the buffer of " << byteSize(type) << " bytes";
  return success();
}

static LogicalResult verifyDma(Operation *op, ArrayRef<int64_t> sizes,
                               int64_t elemBytes) {
  if (sizes.empty() || sizes.size() > 6)
    return op->emitOpError("dma_c1: 1 to 6 dimensions, found ") << sizes.size();
  if (elemBytes != 1 && elemBytes != 2 && elemBytes != 4 && elemBytes != 8)
    return op->emitOpError("dma_c2: element size is 1, 2, 4 or 8 bytes, found ")
           << elemBytes;
  return success();
}

LogicalResult DmaCopyOp::verify() {
  if (failed(verifyDma(*this, getSizes(), getElemBytes())) ||
      failed(verifyAccess(*this, "dma_c2", getSrc(), getSrcOffset(), getSizes(),
                          getSrcStrides(), getElemBytes())))
    return failure();
  return verifyAccess(*this, "dma_c2", getDst(), getDstOffset(), getSizes(),
                      getDstStrides(), getElemBytes());
}

LogicalResult DmaFillOp::verify() {
  if (failed(verifyDma(*this, getSizes(), getElemBytes())))
    return failure();
  return verifyAccess(*this, "dma_c2", getDst(), getDstOffset(), getSizes(),
                      getDstStrides(), getElemBytes());
}

LogicalResult WriteWeightsOp::verify() {
  if (getPosition().size() != 2 || getShape().size() != 2 ||
      getStrides().size() != 2 || getCopies().size() != 4)
    return emitOpError("write_c1: position, shape and strides have two "
                       "entries, copies four");
  if (getShape()[0] < 1 || getShape()[1] < 1)
    return emitOpError("write_c1: shape ")
           << getShape()[0] << " x " << getShape()[1] << " is not positive";
  int64_t planes = getPlanes();
  WeightFormat format = getFormat();
  bool ok = format == WeightFormat::planes ? planes >= 1 && planes <= 8
            : format == WeightFormat::int8 ? planes == 8
                                           : planes >= 2 && planes <= 16;
  if (!ok)
    return emitOpError("write_c2: ") << planes << " planes do not fit format "
                                     << stringifyWeightFormat(format);
  return success();
}

LogicalResult MacOp::verify() {
  if (getMSizes().empty() || getMSizes().size() > 4 || getKSizes().empty() ||
      getKSizes().size() > 4 || getShape().size() != 2 ||
      getPosition().size() != 2)
    return emitOpError("mac_c1: 1 to 4 m loops, 1 to 4 k loops, two entries in "
                       "position and shape");
  if (getMStrides().size() != getMSizes().size() ||
      getKStrides().size() != getKSizes().size())
    return emitOpError("mac_c1: ")
           << getMSizes().size() << " m and " << getKSizes().size()
           << " k loops have " << getMStrides().size() << " and "
           << getKStrides().size() << " strides";
  int64_t rows = 1;
  for (int64_t size : getKSizes())
    rows *= size;
  if (rows != getShape()[0])
    return emitOpError("mac_c1: the k loops cover ")
           << rows << " rows, the tile has " << getShape()[0];
  if ((getInit() == AccInit::bias) != static_cast<bool>(getBias()))
    return emitOpError("mac_c2: a bias operand is present exactly when init is "
                       "bias");
  SmallVector<int64_t> sizes(getMSizes()), strides(getMStrides());
  llvm::append_range(sizes, getKSizes());
  llvm::append_range(strides, getKStrides());
  Type element = cast<MemRefType>(getAct().getType()).getElementType();
  return verifyAccess(*this, "mac_c1", getAct(), getActOffset(), sizes, strides,
                      storedBytes(element));
}

LogicalResult VectorOp::verify() {
  size_t count = getBuffers().size();
  if (getSizes().empty() || getSizes().size() > 6)
    return emitOpError("vector_c1: 1 to 6 loops, found ") << getSizes().size();
  for (int64_t size : getSizes())
    if (size < 1)
      return emitOpError("vector_c1: loop size ") << size << " is not positive";
  if (getOffsets().size() != count || getStrides().size() != count ||
      getGathers().size() != count)
    return emitOpError("vector_c1: ")
           << count << " operands need as many offsets, strides and gathers";
  for (Attribute strides : getStrides()) {
    auto list = dyn_cast<DenseI64ArrayAttr>(strides);
    if (!list || list.size() != static_cast<int64_t>(getSizes().size()))
      return emitOpError("vector_c1: one stride per loop and operand");
  }
  for (Attribute gather : getGathers()) {
    auto list = dyn_cast<DenseI64ArrayAttr>(gather);
    if (!list || list.size() % 2)
      return emitOpError("vector_c1: a gather list holds pairs of extent and "
                         "stride");
  }
  return success();
}

LogicalResult VectorOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(getOperation(),
                                                          getKernelAttr());
  if (!kernel)
    return emitOpError("vector_c2: ")
           << getKernelAttr() << " is not a cim.kernel of the module";
  size_t wanted = kernel.getNumInputs() + kernel.getOutputTypes().size();
  if (getBuffers().size() != wanted)
    return emitOpError("vector_c2: ")
           << getKernelAttr() << " has " << wanted << " operands, found "
           << getBuffers().size();
  return success();
}

LogicalResult CtrlOp::verify() {
  size_t count = getBuffers().size();
  if (getOffsets().size() != count || getStrides().size() != count ||
      !llvm::all_of(getStrides(), llvm::IsaPred<DenseI64ArrayAttr>))
    return emitOpError("ctrl_c1: ")
           << count << " operands need as many offsets and stride lists";
  int64_t inputs = getInputs();
  if (inputs < 0 || inputs > static_cast<int64_t>(count))
    return emitOpError("ctrl_c1: ")
           << inputs << " inputs of " << count << " operands";
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// True for what a kernel's body may hold before its terminator (kernel_c2).
static bool isKernelBodyOp(Operation &op) {
  if (isa<KernelQuantizeOp, KernelDequantizeOp, KernelIndexOp, KernelGatherOp>(
          op))
    return true;
  StringRef dialect = op.getName().getDialectNamespace();
  if ((dialect != "arith" && dialect != "math") || op.getNumRegions())
    return false;
  return llvm::none_of(op.getResultTypes(),
                       [](Type type) { return isa<ShapedType>(type); });
}

LogicalResult KernelOp::verifyRegions() {
  Block &block = getBody().front();
  auto outputs = getOutputTypes().getAsValueRange<TypeAttr>();
  SmallVector<Type> types(outputs.begin(), outputs.end());
  int64_t inputs = getNumInputs();
  int64_t arguments = block.getNumArguments();
  if (inputs < 0 || arguments != inputs + static_cast<int64_t>(types.size()))
    return emitOpError("kernel_c1: ")
           << inputs << " inputs and " << types.size() << " outputs, but "
           << arguments << " block arguments";
  for (auto [i, type] : llvm::enumerate(types))
    if (Type found = block.getArgument(inputs + i).getType(); found != type)
      return emitOpError("kernel_c1: the old value of output ")
             << i << " has type " << found << ", the output " << type;
  auto yield =
      block.empty() ? KernelYieldOp() : dyn_cast<KernelYieldOp>(block.back());
  if (!yield)
    return emitOpError("kernel_c3: the body ends with cim.kernel_yield");
  for (Operation &op : block.without_terminator())
    if (!isKernelBodyOp(op))
      return op.emitOpError("kernel_c2: the vector unit runs scalar arith, "
                            "math and cim.kernel_* ops only");
  if (TypeRange(yield.getValues()) != TypeRange(types))
    return yield.emitOpError(
        "kernel_c3: operand types are not the kernel's output types");
  return success();
}

LogicalResult KernelIndexOp::verify() {
  int64_t loop = getLoop();
  if (loop < 0 || loop > 5)
    return emitOpError("kernel_index_c1: loop is 0 to 5, found ") << loop;
  return success();
}

LogicalResult KernelGatherOp::verify() {
  int64_t operand = getOperand();
  int64_t operands = (*this)->getBlock()->getNumArguments();
  if (operand < 0 || operand >= operands)
    return emitOpError("kernel_gather_c1: the kernel has ")
           << operands << " operands, found operand " << operand;
  Type type = (*this)->getBlock()->getArgument(operand).getType();
  if (type != getType())
    return emitOpError("kernel_gather_c1: operand ")
           << operand << " has elements of type " << type << ", the result is "
           << getType();
  return success();
}

LogicalResult KernelYieldOp::verify() {
  if (!getIndices().empty() && getValues().size() != 1)
    return emitOpError("kernel_yield_c1: ")
           << getValues().size() << " outputs; one can be stored at indices";
  return success();
}

/// Scales divide or multiply: not zero, negative, infinite or NaN.
static bool isScale(const APFloat &scale) {
  return scale.isFiniteNonZero() && !scale.isNegative();
}

LogicalResult KernelQuantizeOp::verify() {
  int64_t low = getLow(), high = getHigh();
  if (low > high)
    return emitOpError("kernel_quantize_c1: range [")
           << low << ", " << high << "] is empty";
  if (!isScale(getScale()))
    return emitOpError("kernel_quantize_c1: scale ")
           << getScaleAttr() << " is not positive";
  return success();
}

LogicalResult KernelDequantizeOp::verify() {
  if (!isScale(getScale()))
    return emitOpError("kernel_dequantize_c1: scale ")
           << getScaleAttr() << " is not positive";
  return success();
}
