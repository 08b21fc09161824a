/* A bare audit daemon, the floor that every other one is compared with: it
 * registers, receives in batches of 256, and writes the raw bytes to a file.
 * Nothing is formatted, hashed or synced. usage: rawreader FILE */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 256, SIZE = 9216 };
static char text[BATCH][SIZE];
static struct iovec in[BATCH], out[BATCH];
static struct mmsghdr batch[BATCH];
static volatile sig_atomic_t ended;

static void end(int signal) { ended = signal; }

static int own_kernel_audit(void)
{
	struct { struct nlmsghdr header; struct audit_status status; } set = {
		.header = { .nlmsg_len = sizeof set, .nlmsg_type = AUDIT_SET, .nlmsg_flags = NLM_F_REQUEST },
		.status = { .mask = AUDIT_STATUS_PID, .pid = getpid() },
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int buffer = 16 << 20, s = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0 ||
	    sendto(s, &set, sizeof set, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		err(1, "own kernel audit");
	return s;
}

int main(int argc, char **argv)
{
	struct sigaction on_term = { .sa_handler = end };
	int s, file = argc == 2 ? open(argv[1], O_CREAT | O_WRONLY | O_TRUNC | O_APPEND, 0600) : -1;

	if (file < 0)
		err(1, "usage: rawreader FILE");
	sigaction(SIGTERM, &on_term, NULL);
	s = own_kernel_audit();
	for (int i = 0; i < BATCH; i++) {
		in[i] = (struct iovec){ text[i], SIZE };
		batch[i].msg_hdr = (struct msghdr){ .msg_iov = &in[i], .msg_iovlen = 1 };
	}
	while (!ended) {
		int n = recvmmsg(s, batch, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			out[i] = (struct iovec){ text[i], batch[i].msg_len };
		if (n > 0 && writev(file, out, n) < 0)
			err(1, "%s", argv[1]);
	}
	return 0;
}
