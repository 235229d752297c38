#include "imagegen/fs/ext4_io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/mem.h"

#define PAGE 4096
#define PAGES 256 /* direct-mapped; inode tables are written front to back, so nearly every write hits */

struct page {
	uint64_t number; /* of the page in the file */
	bool valid, dirty;
	uint8_t data[PAGE];
};

struct channel {
	struct struct_io_channel io;
	int fd;
	struct page pages[PAGES];
};

static errcode_t page_write_back(struct channel *c, struct page *p)
{
	size_t done = 0;
	while (p->valid && p->dirty && done < PAGE) {
		ssize_t n = pwrite(c->fd, p->data + done, PAGE - done, (off_t)(p->number * PAGE + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EXT2_ET_SHORT_WRITE;
		done += (size_t)n;
	}
	p->dirty = false;
	return 0;
}

static errcode_t page_get(struct channel *c, uint64_t number, struct page **ret)
{
	struct page *p = &c->pages[number % PAGES];
	*ret = p;
	if (p->valid && p->number == number)
		return 0;
	errcode_t err = page_write_back(c, p);
	if (err)
		return err;
	p->valid = false;
	size_t done = 0;
	while (done < PAGE) {
		ssize_t n = pread(c->fd, p->data + done, PAGE - done, (off_t)(number * PAGE + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	memset(p->data + done, 0, PAGE - done); /* beyond the end of the file */
	p->number = number;
	p->valid = true;
	return 0;
}

/* Copies len bytes at byte at out of the file (into) or into it (from); both NULL writes zeros. */
static errcode_t transfer(struct channel *c, uint64_t at, uint64_t len, uint8_t *into, const uint8_t *from)
{
	while (len > 0) {
		struct page *p;
		size_t inside = (size_t)(at % PAGE);
		size_t n = PAGE - inside < len ? PAGE - inside : (size_t)len;
		errcode_t err = page_get(c, at / PAGE, &p);
		if (err)
			return err;
		if (into) {
			memcpy(into, p->data + inside, n);
			into += n;
		} else {
			if (from) {
				memcpy(p->data + inside, from, n);
				from += n;
			} else {
				memset(p->data + inside, 0, n);
			}
			p->dirty = true;
		}
		at += n;
		len -= n;
	}
	return 0;
}

static struct channel *of(io_channel io)
{
	return io->private_data;
}

static uint64_t place(io_channel io, unsigned long long block)
{
	return (uint64_t)block * (uint64_t)io->block_size;
}

/* libext2fs: a negative count is a number of bytes. */
static uint64_t bytes(io_channel io, int count)
{
	return count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (uint64_t)io->block_size;
}

static errcode_t io_read64(io_channel io, unsigned long long block, int count, void *data)
{
	return transfer(of(io), place(io, block), bytes(io, count), data, NULL);
}

static errcode_t io_write64(io_channel io, unsigned long long block, int count, const void *data)
{
	return transfer(of(io), place(io, block), bytes(io, count), NULL, data);
}

static errcode_t io_read(io_channel io, unsigned long block, int count, void *data)
{
	return io_read64(io, block, count, data);
}

static errcode_t io_write(io_channel io, unsigned long block, int count, const void *data)
{
	return io_write64(io, block, count, data);
}

static errcode_t io_write_byte(io_channel io, unsigned long offset, int count, const void *data)
{
	return transfer(of(io), offset, count < 0 ? 0 : (uint64_t)count, NULL, data);
}

static errcode_t io_zeroout(io_channel io, unsigned long long block, unsigned long long count)
{
	return transfer(of(io), place(io, block), place(io, count), NULL, NULL);
}

static errcode_t io_flush(io_channel io)
{
	for (size_t i = 0; i < PAGES; i++) {
		errcode_t err = page_write_back(of(io), &of(io)->pages[i]);
		if (err)
			return err;
	}
	return 0;
}

static errcode_t io_set_blksize(io_channel io, int block_size)
{
	io->block_size = block_size;
	return 0;
}

static errcode_t io_close(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	errcode_t err = io_flush(io);
	free(of(io));
	return err;
}

static errcode_t io_open(const char *name, int flags, io_channel *ret)
{
	(void)flags;
	char *end;
	long fd = strtol(name, &end, 10);
	if (end == name || *end != '\0' || fd < 0 || fd > INT32_MAX)
		return EXT2_ET_BAD_DEVICE_NAME;
	struct channel *c = mem_new(struct channel);
	c->fd = (int)fd;
	c->io = (struct struct_io_channel){
		.magic = EXT2_ET_MAGIC_IO_CHANNEL,
		.manager = &ext4_io_manager,
		.name = NULL,
		.block_size = 1024,
		.refcount = 1,
		.private_data = c,
	};
	*ret = &c->io;
	return 0;
}

struct struct_io_manager ext4_io_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "mvp",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read,
	.write_blk = io_write,
	.flush = io_flush,
	.write_byte = io_write_byte,
	.read_blk64 = io_read64,
	.write_blk64 = io_write64,
	.zeroout = io_zeroout,
};
