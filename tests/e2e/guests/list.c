/* list FOLDER: a line for everything below it, as the kernel says:
 *
 *	ORACLE name: PATH<tab>mode=OCTAL<tab>owner=UID:GID<tab>...
 *
 * Bytes that are no printable ASCII, and backslashes, come as \xHH. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void put(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c > 0x20 && c < 0x7f && c != '\\')
			putchar(c);
		else
			printf("\\x%02x", c);
	}
}

static void put_xattrs(const char *path)
{
	static char names[65536], value[65536];
	ssize_t len = llistxattr(path, names, sizeof(names));
	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(path, name, value, sizeof(value));
		printf("\txattr.%s=", name);
		put(value, n > 0 ? (size_t)n : 0);
	}
}

static int list(const char *folder, size_t skip)
{
	DIR *dir = opendir(folder);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		static char target[65536];
		struct stat st;
		char *path;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&path, "%s/%s", folder, e->d_name) < 0 || lstat(path, &st))
			return -1;
		printf("ORACLE name: ");
		put(path + skip, strlen(path + skip));
		printf("\tmode=%o\towner=%u:%u\ttime=%lld\tnames=%u\tinode=%llu", (unsigned)st.st_mode, st.st_uid, st.st_gid,
		       (long long)st.st_mtime, (unsigned)st.st_nlink, (unsigned long long)st.st_ino);
		if (S_ISREG(st.st_mode))
			printf("\tsize=%lld", (long long)st.st_size);
		if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
			printf("\tdevice=%u:%u", major(st.st_rdev), minor(st.st_rdev));
		if (S_ISLNK(st.st_mode)) {
			ssize_t n = readlink(path, target, sizeof(target));
			printf("\ttarget=");
			put(target, n > 0 ? (size_t)n : 0);
		}
		put_xattrs(path);
		putchar('\n');
		if (S_ISDIR(st.st_mode) && list(path, skip))
			return -1;
		free(path);
	}
	return closedir(dir);
}

int main(int argc, char **argv)
{
	return argc != 2 || list(argv[1], strlen(argv[1]) + 1) ? 1 : 0;
}
