// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --split-input-file --verify-diagnostics

// program_c1
// expected-error @below {{target is unusable}}
cimisa.program "p" target "no_such_target" {

}

// -----

// program_c1
// expected-error @below {{target is unusable}}
cimisa.program "p" target ["name: x", "chips: nine"] {

}

// -----

// program_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run { }
  // expected-error @below {{is there a second time}}
  cimisa.stage run { }
}

// -----

// program_c3
// expected-error @below {{uses 60000 semaphores; the target has}}
cimisa.program "p" target "m50" semaphores 60000 {

}

// -----

// program_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{waits for semaphore 4 of 4}}
      cimisa.nop wait [s4 >= 1]
    }
  }
}

// -----

// program_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{signals semaphore 9 of 4}}
      cimisa.nop signal s9
    }
  }
}

// -----

// program_c4
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    // expected-error @below {{is of chip 0 core 9}}
    cimisa.queue chip 0 core 9 mac 0 { }
  }
}

// -----

// program_c4
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    // expected-error @below {{is mac 1; a core of the target has 1}}
    cimisa.queue chip 0 core 0 mac 1 { }
  }
}

// -----

// program_c4
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{names chip 7 of a target with 1}}
      cimisa.dma_copy dram chip 7 [0x0] -> l1[0x0] elem 1 sizes [1] strides [1] -> [1]
    }
  }
}

// -----

// tensor_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{is in l1; must be in dram}}
  cimisa.input "x" i8 [1] l1[0x0]
}

// -----

// tensor_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{impossible shape: dimension -1}}
  cimisa.output "x" i8 [4, -1] dram[0x0]
}

// -----

// segment_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{is in l2; must be in dram}}
  cimisa.segment "w" l2[0x0] = dense<1> : tensor<4xi8>
}

// -----

// segment_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{elements are 'i4'}}
  cimisa.segment "w" dram[0x0] = dense<1> : tensor<4xi4>
}

// -----

// stage_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 { }
    // expected-error @below {{is there a second time}}
    cimisa.queue chip 0 core 0 mac 0 { }
  }
}

// -----

// queue_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{is not an instruction of the mac queue}}
      cimisa.dma_fill 0 -> l1[0x0] elem 1 dims [4:1]
    }
  }
}

// -----

// issue_c2: loop
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{step 0 follows loop 0, but 0 loops enclose}}
      cimisa.dma_fill 0 -> l1[0x0] elem 1 dims [4:1] step [dst loop 0 + 1]
    }
  }
}

// -----

// issue_c2: field
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.loop 2 {
      // expected-error @below {{step 0 changes a field the instruction does not have}}
      cimisa.dma_fill 0 -> l1[0x0] elem 1 dims [4:1] step [src loop 0 + 1]
      }
    }
  }
}

// -----

// issue_c2: index
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.loop 2 {
      // expected-error @below {{(index 1 of 1)}}
      cimisa.nop wait [s0 >= 1] step [wait 1 loop 0 + 1]
      }
    }
  }
}

// -----

// dma_copy_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{has 7 dimensions; at most 6}}
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [1, 1, 1, 1, 1, 1, 1] strides [0, 0, 0, 0, 0, 0, 0] -> [0, 0, 0, 0, 0, 0, 0]
    }
  }
}

// -----

// dma_copy_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{has 1 dimensions but 1 source and 2 destination strides}}
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [4] strides [1] -> [1, 1]
    }
  }
}

// -----

// dma_copy_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{elem is 3; 1, 2, 4 or 8 bytes}}
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 3 sizes [4] strides [1] -> [1]
    }
  }
}

// -----

// dma_copy_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{has a size of 0 among its dimensions}}
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [0] strides [1] -> [1]
    }
  }
}

// -----

// dma_fill_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{has 7 dimensions; at most 6}}
      cimisa.dma_fill 0 -> l1[0x0] elem 1 dims [1:0, 1:0, 1:0, 1:0, 1:0, 1:0, 1:0]
    }
  }
}

// -----

// dma_fill_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{elem is 16}}
      cimisa.dma_fill 0 -> l1[0x0] elem 16 dims [1:0]
    }
  }
}

// -----

// write_weights_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 write 0 {
      // expected-error @below {{must be at least 1; they are 0, 8, 1, 1, 64}}
      cimisa.write_weights planes 8 l1[0x0] -> set 0 tile [0, 0] rows 0 cols 8
    }
  }
}

// -----

// write_weights_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 write 0 {
      // expected-error @below {{has 17 planes}}
      cimisa.write_weights planes 17 l1[0x0] -> set 0 tile [0, 0] rows 8 cols 8
    }
  }
}

// -----

// write_weights_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 write 0 {
      // expected-error @below {{has plane masks but its format is not planes}}
      cimisa.write_weights int8 8 l1[0x0] -> set 0 tile [0, 0] rows 8 cols 8 masks [0x1]
    }
  }
}

// -----

// write_weights_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 write 0 {
      // expected-error @below {{has plane mask 0x10 with bits beyond its 4 planes}}
      cimisa.write_weights planes 4 l1[0x0] -> set 0 tile [0, 0] rows 8 cols 8 masks [0x10]
    }
  }
}

// -----

// mac_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{has 5 m loops; at most 4}}
      cimisa.mac i8 l1[0x0] m [1:0, 1:0, 1:0, 1:0, 1:0] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32
    }
  }
}

// -----

// mac_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{the k loops cover 12 rows but the tile has 8}}
      cimisa.mac i8 l1[0x0] m [1:0] k [4:1, 3:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32
    }
  }
}

// -----

// mac_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{activations are i32}}
      cimisa.mac i32 l1[0x0] m [1:0] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32
    }
  }
}

// -----

// mac_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{activations are in l2; must be in l1}}
      cimisa.mac i8 l2[0x0] m [1:0] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32
    }
  }
}

// -----

// mac_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{accumulators are in l1; must be in acc}}
      cimisa.mac i8 l1[0x0] m [1:0] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> l1[0x0] stride 32
    }
  }
}

// -----

// mac_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{the bias is in dram; must be in l1}}
      cimisa.mac i8 l1[0x0] m [1:0] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32 bias dram[0x0]
    }
  }
}

// -----

// vec_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{has 7 loops; at most 6}}
      cimisa.vec @k loops [1, 1, 1, 1, 1, 1, 1] ()
    }
  }
}

// -----

// vec_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{runs kernel @nokernel, which the program does not define}}
      cimisa.vec @nokernel loops [1] ()
    }
  }
}

// -----

// vec_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-note @below {{kernel defined here}}
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{has 1 operands but kernel @k takes 2}}
      cimisa.vec @k loops [1] (l1[0x0] strides [4])
    }
  }
}

// -----

// vec_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{operand 1 has 2 strides for 1 loops}}
      cimisa.vec @k loops [1] (l1[0x0] strides [4], l1[0x0] strides [4, 4])
    }
  }
}

// -----

// vec_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{reduces a loop beyond its 1 loops}}
      cimisa.vec @k loops [1] reduce [1] (l1[0x0] strides [4], l1[0x0] strides [4])
    }
  }
}

// -----

// vec_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] { }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      // expected-error @below {{has 2 index bases for 1 loops}}
      cimisa.vec @k loops [1] base [1, 2] (l1[0x0] strides [4], l1[0x0] strides [4])
    }
  }
}

// -----

// ctrl_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 ctrl 0 {
      // expected-error @below {{has 17 operands; at most 16}}
      cimisa.ctrl 0 params [] (l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [], l1[0x0] strides [])
    }
  }
}

// -----

// loop_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{runs 0 times}}
      cimisa.loop 0 { }
    }
  }
}

// -----

// loop_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.loop 2 { cimisa.loop 2 { cimisa.loop 2 { cimisa.loop 2 {
      // expected-error @below {{is nested 5 deep; at most 4}}
      cimisa.loop 2 { }
      } } } }
    }
  }
}

// -----

// kernel_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{has 17 operands; at most 16}}
  cimisa.kernel @k inputs [i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8] outputs [] {

  }
}

// -----

// kernel_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  // expected-error @below {{has 65 registers; at most 64}}
  cimisa.kernel @k inputs [] outputs [] registers 65 {

  }
}

// -----

// kernel_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    %0 = cimisa.micro load.f32 0
    // expected-error @below {{writes register 0 a second time}}
    %1 = cimisa.micro load.f32 0 reg 0
  }
}

// -----

// micro_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    %0 = cimisa.micro load.f32 0
    // expected-error @below {{add reads 2 registers, not 1}}
    %1 = cimisa.micro add.f32 %0
  }
}

// -----

// micro_c1
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{gather reads at least 1 registers, not 0}}
    %1 = cimisa.micro gather.f32 0
  }
}

// -----

// micro_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{store reads 1 registers, not 0}}
    %0 = "cimisa.micro"() <{fields = {op = 4}}> : () -> !cimisa.reg<f32>
  }
}

// -----

// micro_c2
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{load yields f32, not '!cimisa.reg<i8>'}}
    %0 = "cimisa.micro"() <{fields = {op = 0}}> : () -> !cimisa.reg<i8>
  }
}

// -----

// micro_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{names operand 2 of a kernel with 2}}
    %0 = cimisa.micro load.f32 2
  }
}

// -----

// micro_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    %0 = cimisa.micro load.f32 0
    // expected-error @below {{writes operand 0, which is an input; outputs start at 1}}
    cimisa.micro store.f32 0, %0
  }
}

// -----

// micro_c3
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{is of type i8 but operand 0 is f32}}
    %0 = cimisa.micro load.i8 0
  }
}

// -----

// micro_c4
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{constant 0x12c does not fit u8}}
    %0 = cimisa.micro const.u8 300
  }
}

// -----

// micro_c4
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{reads the index of loop 6}}
    %0 = cimisa.micro index.i64 6
  }
}

// -----

// register read before it is written
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{operand #0 does not dominate this use}}
    %1 = cimisa.micro neg.f32 %0
    // expected-note @below {{operand defined here}}
    %0 = cimisa.micro load.f32 0
  }
}

// -----

// a kernel holds micro-operations
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{is not a micro-operation; a kernel's body holds cimisa.micro only}}
    cimisa.report "x"
  }
}

// -----

// parse: micro-operation
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{unknown micro-operation 'frobnicate'}}
    %0 = cimisa.micro frobnicate.f32
  }
}

// -----

// parse: type suffixes
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.kernel @k inputs [f32] outputs [f32] {
    // expected-error @below {{'cast' needs 2 type suffixes (result, source), e.g. cast.f32.i32}}
    %0 = cimisa.micro cast.f32
  }
}

// -----

// parse: memory
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{unknown memory 'l3': dram, l2, l1 or acc}}
      cimisa.dma_fill 0 -> l3[0x0] elem 1 dims [4:1]
    }
  }
}

// -----

// parse: semaphore
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{expected a semaphore, s0 to s65534}}
      cimisa.nop signal 5
    }
  }
}

// -----

// parse: semaphore reserved (issue_c1)
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{expected a semaphore, s0 to s65534}}
      cimisa.nop wait [s65535 >= 1]
    }
  }
}

// -----

// parse: range
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 mac 0 {
      // expected-error @below {{integer out of range: 0 to 255}}
      cimisa.mac i8 l1[0x0] m [1:0] k [1:0] * set 256 tile [0, 0] rows 1 cols 1 -> acc[0x0] stride 4
    }
  }
}

// -----

// parse: field
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{unknown field 'speed'}}
      cimisa.nop step [speed loop 0 + 1]
    }
  }
}

// -----

// parse: engine
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    // expected-error @below {{unknown engine 'gpu': write, mac, vec, dma or ctrl}}
    cimisa.queue chip 0 core 0 gpu 0 { }
  }
}

// -----

// generic form: unknown field
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{expected known fields only}}
      "cimisa.nop"() <{issue = {speed = 1}}> : () -> ()
    }
  }
}

// -----

// generic form: out of range
cimisa.program "p" target "m50" semaphores 4 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // expected-error @below {{expected an integer in the field's range}}
      "cimisa.nop"() <{issue = {signal = 70000}}> : () -> ()
    }
  }
}
