/* The stacks of EL2, one per CPU, each above a guard page that is not mapped. Usable from assembler. */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#define CORE_STACK_SIZE 8192
#define CORE_STACK_GUARD 4096
#define CORE_STACK_STRIDE (CORE_STACK_SIZE + CORE_STACK_GUARD)

#endif
