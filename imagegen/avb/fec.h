/* Reed-Solomon parity of byte columns, by ISA-L. Internal to imagegen/avb. */
#ifndef IMAGEGEN_FEC_H
#define IMAGEGEN_FEC_H

#include "imagegen/base/base.h"

struct fec; /* tables; immutable, any thread may use it */

/* NULL for a number of roots that is out of range. */
struct fec *fec_new(uint32_t roots);
void fec_free(struct fec *f);
DEFINE_FREEP(struct fec, fec_free)

uint32_t fec_symbols(const struct fec *f); /* of a codeword's message: 255 - roots */
/* Adds len symbols, each the one numbered `symbol` of the message of its codeword, to roots planes of plane_len bytes each. */
void fec_add(const struct fec *f, uint32_t symbol, const uint8_t *data, size_t len, uint8_t *planes, size_t plane_len);
/* Adds len columns of the planes to parity in the order it is stored: the parity of a codeword together. */
void fec_store(const struct fec *f, const uint8_t *planes, size_t plane_len, size_t len, uint8_t *parity);

#endif
