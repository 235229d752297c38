/* The network of the personas: a switch that joins each of them to the board's network device and to nobody else. A persona sends with its
 * own address only and gets what is for that address or for many; frames never go from one persona to the other. */
#ifndef VAULT_NET_H
#define VAULT_NET_H

#include "lib.h"

#define NET_FRAME_MIN 14
#define NET_FRAME_MAX 1514

void net_start(void);            /* CPU 0, once */
bool net_irq(uint32_t intid);    /* CPU 0; false if the interrupt is not the network device's */
void net_tick(void);             /* at MVP_EV_TIMER, any CPU */
void net_status(void);           /* a line per persona on the console */
bool net_link(void);             /* there is a network device and its link is up */
void net_plug(unsigned persona); /* its device is as after power-on */
void net_mac(unsigned persona, uint8_t ret[6]);

/* Sending: any CPU, one at a time for each persona. */
struct net_buffer {
	uint8_t *frame; /* room for NET_FRAME_MAX bytes */
	unsigned slot;
};
/* A buffer for the persona's next frame. False: it has to wait until net_room(). */
bool net_begin(unsigned persona, struct net_buffer *ret);
/* Sends len bytes, whatever they are, if the persona may; the buffer is gone. */
void net_end(unsigned persona, const struct net_buffer *b, size_t len);
void net_cancel(unsigned persona, const struct net_buffer *b);
void net_flush(void);              /* after a batch */
void net_forget(unsigned persona); /* it is gone: nothing of what it sent stays */

/* Supplied by the device that personas see. net_room() any CPU, the others CPU 0; no lock of the network's is held. */
void net_room(unsigned persona);
/* A frame for it. False, and dropped, when it has no room. */
bool net_deliver(unsigned persona, const uint8_t *frame, size_t len);
void net_delivered(unsigned persona); /* after a batch of them */
void net_link_changed(unsigned persona);

#endif
