/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ask for an attestation report, twice for a derived key, and print the launch
 * digest that the report has: the secrets page and the messages to the firmware
 * work, and this is the guest that somebody wanted.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sev-guest.h>

/* In the response: its own header, then the report of the firmware ABI. */
#define REPORT		32
#define REPORT_DATA	(REPORT + 0x50)
#define MEASUREMENT	(REPORT + 0x90)

static void request(int fd, unsigned long command, void *req, void *resp)
{
	struct snp_guest_request_ioctl io = {
		.msg_version = 1,
		.req_data = (unsigned long)req,
		.resp_data = (unsigned long)resp,
	};

	if (ioctl(fd, command, &io))
		err(1, "request (firmware error %#llx)", (unsigned long long)io.exitinfo2);
}

int main(void)
{
	static struct snp_report_resp report;
	struct snp_report_req req = { .user_data = "data of the user" };
	struct snp_derived_key_req key_req = { .root_key_select = 0 };
	struct snp_derived_key_resp key[2];
	int fd = open("/dev/sev-guest", O_RDWR);
	int i;

	if (fd < 0)
		err(1, "/dev/sev-guest");

	request(fd, SNP_GET_REPORT, &req, &report);
	if (memcmp(&report.data[REPORT_DATA], req.user_data, sizeof(req.user_data)))
		errx(1, "the report is not about our data");

	for (i = 0; i < 2; i++)
		request(fd, SNP_GET_DERIVED_KEY, &key_req, &key[i]);
	if (memcmp(&key[0], &key[1], sizeof(key[0])))
		errx(1, "the same request gives two keys");

	printf("measurement ");
	for (i = 0; i < 48; i++)
		printf("%02x", report.data[MEASUREMENT + i]);
	printf("\n");
	return 0;
}
