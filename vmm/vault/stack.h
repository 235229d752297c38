/* Stacks of the vault's CPUs: for each a guard page that is not mapped, then the stack. Usable from assembler. */
#ifndef VAULT_STACK_H
#define VAULT_STACK_H

#define VAULT_STACK_GUARD 0x1000
#define VAULT_STACK_STRIDE 0x5000 /* guard and 16 KiB of stack */

#endif
