/* The board's network on virtio-net (virtio 1.2, section 5.1): whole Ethernet frames in buffers of its own, no offloads. Receiving and
 * sending share nothing: receiving is CPU 0's, the caller holds a lock around sending. What the device says may be anything. */
#ifndef VAULT_DRIVERS_VIRTIO_NET_H
#define VAULT_DRIVERS_VIRTIO_NET_H

#include "../lib.h"

#define NIC_FRAME_MAX 1514 /* bytes, without checksum */
#define NIC_SLOTS 64       /* frames that can wait in each direction */
#define NIC_NO_SLOT NIC_SLOTS

struct nic_info {
	uint8_t mac[6];
	bool has_mac;
	unsigned slots; /* 1..NIC_SLOTS for sending */
	uint32_t intid;
};

/* NULL, or why there is no network to use. */
const char *virtio_net_start(struct nic_info *ret_info);
bool virtio_net_link(void);
void virtio_net_ack(void); /* at an interrupt, before looking for what is done */

/* Sending. A slot is the caller's until it is sent, and again from when it comes out of virtio_net_sent(). */
uint8_t *virtio_net_frame(unsigned slot); /* room for NIC_FRAME_MAX bytes */
void virtio_net_send(unsigned slot, size_t len);
void virtio_net_flush(void); /* tells the device of what was sent */
/* Takes one completion; false if there is none. NIC_NO_SLOT: one that means nothing. */
bool virtio_net_sent(unsigned *ret_slot);
void virtio_net_sent_interrupt(bool on); /* at completions; off at first */

/* Receiving. Takes a frame, which is there until virtio_net_received(); false if there is none. Length 0: one that means nothing. */
bool virtio_net_receive(const uint8_t **ret_frame, size_t *ret_len);
void virtio_net_received(void);             /* gives the buffer of the last frame back */
void virtio_net_refill(void);               /* tells the device of what was given back */
void virtio_net_receive_interrupt(bool on); /* on at first. What came before it is on again raises none */

#endif
