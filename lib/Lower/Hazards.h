// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which engine operations must wait for which others. Every operation goes to
// an in-order queue; the tracker keeps, per buffer and per weight set, the
// accesses that are still of interest and answers with the smallest set of
// earlier operations a new one must name (device.md D2.3). What is already
// implied by queue order and by earlier waits is left out (vector clocks).
#ifndef CIM_LIB_LOWER_HAZARDS_H
#define CIM_LIB_LOWER_HAZARDS_H

#include <cstdint>
#include <map>
#include <vector>

namespace cim {

/// A strided set of byte runs of one storage object.
struct ByteBox {
  int64_t base = 0;   ///< First byte.
  int64_t end = 0;    ///< One past the last byte.
  int64_t run = 0;    ///< Length of a contiguous run from base.
  int64_t period = 0; ///< gcd of the strides between runs; 0: a single run.
  bool operator==(const ByteBox &) const = default;
};

/// The box of an access: sizes and byte strides, elements of `elemBytes`.
ByteBox makeBox(int64_t offset, const std::vector<int64_t> &sizes,
                const std::vector<int64_t> &strides, int64_t elemBytes);
/// False only when the boxes certainly share no byte.
bool mayOverlap(const ByteBox &a, const ByteBox &b);

/// One operation as seen by the tracker.
using OpIndex = uint32_t;
constexpr OpIndex kNoOp = ~0u;

class HazardTracker {
public:
  explicit HazardTracker(unsigned numQueues) : numQueues(numQueues) {}

  /// Opens the next operation, on queue `queue`; declare its accesses, then
  /// call finish().
  void begin(unsigned queue);
  /// The current operation accesses `box` of storage object `object`.
  void access(uint64_t object, const ByteBox &box, bool write);
  /// The current operation must follow every operation in `ops`.
  void after(OpIndex op);
  /// Ends the operation; returns the operations it has to wait for.
  std::vector<OpIndex> finish();

  OpIndex current() const { return static_cast<OpIndex>(queueOf.size()) - 1; }
  unsigned queue(OpIndex op) const { return queueOf[op]; }
  /// Position of the operation in its queue.
  uint32_t position(OpIndex op) const { return positionOf[op]; }
  /// All operations that touched `object`, the last of each queue.
  std::vector<OpIndex> lastAccesses(uint64_t object) const;

private:
  struct Access {
    ByteBox box;
    OpIndex op;
  };
  struct Object {
    std::vector<Access> writes, reads;
    std::vector<OpIndex> last; ///< Per queue.
  };
  void compact(std::vector<Access> &list);
  void depend(OpIndex op);

  unsigned numQueues;
  std::map<uint64_t, Object> objects;
  std::vector<unsigned> queueOf;
  std::vector<uint32_t> positionOf;
  std::vector<uint32_t> queueLength = {};
  std::vector<OpIndex> queueLast = {};
  /// clock[op][q]: operations of queue q known to be complete before op starts.
  std::vector<std::vector<uint32_t>> clocks;
  std::vector<OpIndex> wanted; ///< Per queue, of the current operation.
  struct Pending {
    uint64_t object;
    ByteBox box;
    bool write;
  };
  std::vector<Pending> pending;
};

} // namespace cim

#endif // CIM_LIB_LOWER_HAZARDS_H
