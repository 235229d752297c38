#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define PORTS_DIR "/sys/class/virtio-ports"
#define PORT_FLAGS (O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

static int open_named(DIR *dir, const char *name)
{
	const struct dirent *e;
	while ((e = readdir(dir))) {
		char path[320], found[64];
		if (e->d_name[0] == '.' || !agent_format(path, sizeof(path), PORTS_DIR "/%s/name", e->d_name) ||
		    agent_read_file(path, found, sizeof(found)) < 0)
			continue;
		found[strcspn(found, "\n")] = 0;
		if (strcmp(found, name) == 0 && agent_format(path, sizeof(path), "/dev/%s", e->d_name))
			return open(path, PORT_FLAGS);
	}
	errno = ENOENT;
	return -1;
}

int port_open(const char *name, const char *path)
{
	if (path)
		return open(path, PORT_FLAGS);
	/* Not by udev's link: a persona need not have udev. */
	DIR *dir = opendir(PORTS_DIR);
	if (!dir)
		return -1;
	int fd = open_named(dir, name), error = errno;
	(void)closedir(dir);
	errno = error;
	return fd;
}
