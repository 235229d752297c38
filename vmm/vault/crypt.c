#include "crypt.h"

void crypt_encrypt(const struct crypt *c, uint64_t sector, uint8_t *data, size_t len)
{
	for (; len >= c->unit; len -= c->unit) {
		aes_xts_encrypt(&c->key, c->iv_base + sector, data, c->unit);
		data += c->unit;
		sector += c->unit / SECTOR;
	}
}

/* Copies len bytes between flat and the segments from (*index, *offset) on; false if the segments end before. */
static bool copy_segs(const struct seg *segs, size_t count, size_t index, uint32_t offset, uint8_t *flat, uint32_t len, bool to_segs)
{
	while (len) {
		if (index == count)
			return false;
		uint32_t n = (uint32_t)min_u64(len, segs[index].len - offset);
		if (to_segs)
			memcpy(segs[index].at + offset, flat, n);
		else
			memcpy(flat, segs[index].at + offset, n);
		flat += n;
		len -= n;
		offset = 0;
		index++;
	}
	return true;
}

void crypt_decrypt(const struct crypt *c, uint64_t sector, const struct seg *segs, size_t segs_count, uint8_t *scratch)
{
	size_t index = 0;
	uint32_t offset = 0;
	bool scratched = false;

	while (index < segs_count) {
		if (segs[index].len - offset >= c->unit) {
			aes_xts_decrypt(&c->key, c->iv_base + sector, segs[index].at + offset, c->unit);
		} else {
			if (!copy_segs(segs, segs_count, index, offset, scratch, c->unit, false))
				break;
			aes_xts_decrypt(&c->key, c->iv_base + sector, scratch, c->unit);
			copy_segs(segs, segs_count, index, offset, scratch, c->unit, true);
			scratched = true;
		}
		sector += c->unit / SECTOR;
		offset += c->unit;
		while (index < segs_count && offset >= segs[index].len)
			offset -= segs[index++].len;
	}
	if (scratched)
		wipe(scratch, c->unit);
}
