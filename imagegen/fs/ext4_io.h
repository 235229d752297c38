/* libext2fs's access to the file that holds a file system's metadata: a small write-back cache over a descriptor, never synced (the file
 * has no name and dies with the build). */
#ifndef IMAGEGEN_EXT4_IO_H
#define IMAGEGEN_EXT4_IO_H

#include <ext2fs/ext2fs.h>

#include "imagegen/base/base.h"

/* The device name to open with this manager is the number of an open descriptor, in decimal; it is borrowed. */
extern struct struct_io_manager ext4_io_manager;

#endif
