/* What the files of this room share. */
#ifndef IKEBANA_IKE2_INSIDE_H
#define IKEBANA_IKE2_INSIDE_H

#include "finding/finding.h"
#include "ike2/collide.h"
#include "ike2/ike2.h"
#include "ike2/race.h"

/* ---- message.c: writing and opening messages ---- */

/* A message in the making, in the world's scratch. One at a time. */
struct outgoing {
    struct world *w;
    struct ike_sa *sa; /* NULL: no SA */
    struct ike_header header;
    struct writer writer;
    struct message_writer mw;
    uint8_t first; /* type of the first payload inside SK */
    bool is_protected;
    uint32_t payloads; /* for the trail */
    uint16_t notifies[4];
};

void out_begin_plain(struct outgoing *o, struct world *w, const struct ike_header *h);
void out_begin(struct outgoing *o, struct world *w, struct ike_sa *sa, uint8_t exchange,
               bool is_response, uint32_t message_id);
struct gap out_open(struct outgoing *o, uint8_t type);
void out_close(struct outgoing *o, struct gap g);
void out_notify(struct outgoing *o, uint16_t type, struct span data);
void out_notify_spi(struct outgoing *o, uint16_t type, uint8_t protocol, struct span spi,
                    struct span data);
/* Finishes (and seals): the octets in the arena. An empty span: crypto or memory failed. */
struct span out_finish(struct outgoing *o);
/* Sends on the SA's path, or where a datagram came from. train: one message, or several fragments
 * of one (fragment.h), as out_finish() gives them. */
void out_send(struct world *w, const struct path *path, struct span train);
struct path path_of_datagram(const struct datagram *d);
void out_trail(const struct outgoing *o, struct record *r, struct span message);

/* Octets behind the headers of SK or SKF for so much content: IV, padding, ICV. */
size_t message_sealed_len(const struct ike_sa *sa, size_t plain);
/* Seals in place: `head` octets of headers stand at `at`, then room for the IV, `plain` octets,
 * room for padding and ICV. */
bool message_seal(struct world *w, struct ike_sa *sa, uint8_t *at, size_t head, size_t plain);
/* What SK or SKF holds, without padding, in the arena. is_ours: we have sealed it. false: as with
 * message_open(). */
bool message_unseal(struct world *w, const struct ike_sa *sa, const struct message *m, bool is_ours,
                    struct span *plain, bool *is_authentic, struct finding *why);
/* Decrypts and parses what is inside; of a fragment: what was joined. plain lives in the arena.
 * false: why is msg.decrypt (not authentic: leave no trace) or msg.bad-syntax (authentic,
 * *is_authentic true). */
bool message_open(struct world *w, struct ike_sa *sa, struct message *m, bool *is_authentic,
                  struct finding *why);
void message_trail(struct world *w, struct record *r, const struct message *m, size_t size,
                   uint8_t extra_flags);
/* The first error notify (type below 16384), if there is one. */
bool message_error(const struct message *m, struct notify *out);
void finding_about(struct finding *f, const struct message *m, const struct payload *p,
                   bool is_received);

/* ---- keys.c ---- */

struct span ike2_key(const struct ike_sa *sa, enum ike_key key);
/* Sets suite rows and derives everything from SKEYSEED. */
bool ike2_set_suite(struct ike_sa *sa, const struct suite *s);
bool ike2_derive(struct ike_sa *sa, struct span skeyseed, struct span nonce_i, struct span nonce_r);
void ike2_forget_setup(struct ike_sa *sa);

/* ---- report.c ---- */

struct record *ike2_record_new(struct world *w, const struct ike_sa *sa, enum record_kind kind,
                               uint64_t ticket);
void ike2_record_child(struct record *r, const struct child_sa *c);
/* Ends a record and emits it. */
void ike2_record_end(struct world *w, struct record *r, enum record_result result,
                     enum phase phase);
/* Notes it in the record and tells it as an event; a finding without a phase gets that of the SA
 * and record. */
void ike2_refused(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why);
enum phase ike2_phase(const struct ike_sa *sa, const struct record *r);
/* The set-up record of the SA, made when it is first needed. */
struct record *ike2_setup_record(struct world *w, struct ike_sa *sa);

/* ---- rules.c ---- */

/* false: a critical payload of a type that is not known, which *type is. */
bool rules_critical(struct world *w, const struct message *m, uint8_t *type, struct finding *why);
/* false: a payload comes twice that may come once. */
bool rules_single(struct world *w, const struct message *m, struct finding *why);

/* ---- doubt.c: unprotected answers to an attempt of ours ---- */

/* Keeps and tells it; the attempt goes on as if nothing had come. */
void doubt_note(struct world *w, struct ike_sa *sa, struct finding *why);

/* ---- rival.c ---- */

/* An answer to IKE_SA_INIT came while we wait for that to IKE_AUTH. */
void rival_hear(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m);
bool rival_has_spi(const struct ike_sa *sa, uint64_t spi_r);
/* Puts the next rival with this SPI in the SA's place, while IKE_AUTH waits; *at begins with 0.
 * false: there is none. */
bool rival_next(struct ike_sa *sa, uint64_t spi_r, size_t *at);
void rival_on_time(struct world *w, struct ike_sa *sa);
struct instant rival_due(const struct ike_sa *sa);
/* The record is about the one that was answered. */
void rival_settle(struct ike_sa *sa, struct record *r);
void rival_clear(struct world *w, struct ike_sa *sa);
/* init_answer.c: a whole answer. Sends IKE_AUTH; false: why, and the SA is as before. */
bool init_accept(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m,
                 struct finding *why, bool *is_refusal);
/* exchange.c: sends a request again. */
void exchange_repeat(struct world *w, struct ike_sa *sa, const struct sent *sent, bool is_copy);

/* The same for a message that cannot be read at all. */
void doubt_unreadable(struct world *w, struct ike_sa *sa, const struct message *m,
                      const struct wire_error *error);
/* The same; when no better answer comes in time, the attempt ends with it. */
void doubt_refuse(struct world *w, struct ike_sa *sa, struct finding *why);
/* The time is over: true when the attempt has ended. */
bool doubt_on_time(struct world *w, struct ike_sa *sa);
/* Everything doubtful goes into the record; main: is there already. */
void doubt_record(const struct ike_sa *sa, struct record *r, const struct finding *main);
/* The peer has shown who it is: a warning about what contradicted. */
void doubt_settle(struct world *w, struct ike_sa *sa, struct record *r);

/* ---- init.c, init_answer.c, ike_auth.c ---- */

void ike2_setup_failed(struct world *w, struct ike_sa *sa, struct finding *why);
void ike2_established(struct world *w, struct ike_sa *sa);
/* It stands from now on: state and lifetimes. */
void ike2_schedule(struct world *w, struct ike_sa *sa);
void init_conclude(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m);
void auth_answer(struct world *w, struct ike_sa *sa, struct message *m);
void auth_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m);
/* The request of the present group, for the first time; later once more, with the cookie there
 * is. */
bool init_send(struct world *w, struct ike_sa *sa);
bool init_repeat_with_cookie(struct world *w, struct ike_sa *sa);
struct init_try *init_try_of(struct setup *s, uint16_t group);
void init_fail_crypto(struct world *w, struct ike_sa *sa, const char *what);
void init_detect_nat(struct ike_sa *sa, const struct message *m, const struct path *path);
bool auth_send(struct world *w, struct ike_sa *sa);
/* Parses a payload that must be there; why gets msg.missing-payload or msg.bad-syntax. */
const struct payload *need_payload(struct world *w, const struct message *m, uint8_t type,
                                   struct finding *why);
void bad_payload(struct world *w, const struct message *m, const struct payload *p,
                 const char *expected, struct finding *why);
void init_start(struct world *w, struct ike_sa *sa);

/* ---- unique.c ---- */

/* Initiator: no IKE SA stands between these two: INITIAL_CONTACT is said. */
bool unique_is_first(struct world *w, const struct ike_sa *sa, const struct identity *local,
                     const struct identity *remote);
/* Before a new SA stands: may it? Notes whose it is. false: why (ike.not-unique). */
bool unique_admit(struct world *w, struct ike_sa *sa, const struct identity *local,
                  const struct identity *remote, const struct message *m, struct finding *why);
/* It stands: the older ones go that it replaces. m: its IKE_AUTH request, or NULL. */
void unique_settle(struct world *w, struct ike_sa *sa, const struct message *m);
/* The new IKE SA of a rekeying stands between the same two. */
void unique_inherit(struct world *w, const struct ike_sa *old, struct ike_sa *heir);
void unique_on_time(struct world *w, struct ike_sa *sa);

/* ---- choose_conn.c ---- */

struct conn_choice {
    struct conn *conn;
    struct identity local; /* what we say that we are */
};

/* idr: what the peer asks us to be, NULL = nothing. sa->conn: the choice of IKE_SA_INIT. */
bool conn_choose(struct world *w, const struct ike_sa *sa, const struct message *m,
                 const struct identity *idi, const struct identity *idr, struct conn_choice *out,
                 struct finding *why);
/* Ours: as configured, else the address that we use. data may point into *address. */
struct identity auth_own_identity(const struct identity *configured, const struct address *address);

/* ---- nat.c ---- */

/* An authentic message that is new: the SA goes where it came from, where it may. */
void nat_follow(struct world *w, struct ike_sa *sa, const struct datagram *d,
                const struct message *m);
/* The same by an ESP packet. */
void nat_on_moved(struct world *w, struct ike_sa *sa, const struct child_sa *c,
                  const struct address *remote);
/* Initiator: the good answer to IKE_SA_INIT; the path's remote host is where it came from. */
void nat_note_answer(struct world *w, struct ike_sa *sa, const struct datagram *d,
                     const struct message *m);
void nat_on_time(struct world *w, struct ike_sa *sa);
void nat_on_answer(struct world *w, struct ike_sa *sa, const struct answer *a);
/* An IKE message left on the SA's path. */
void nat_sent(const struct world *w, struct ike_sa *sa);

/* ---- child_sa.c ---- */

struct child_plan {
    struct conn *conn;
    const struct child_conf *conf;
    struct suite suite;
    struct selectors local, remote;             /* arena */
    struct selectors asked_local, asked_remote; /* what the initiator of the exchange asked for */
    uint32_t spi_in, spi_out;
    uint32_t replaces;
    bool is_initiator; /* of the exchange: decides which keys are ours */
    bool use_at_once;
    bool is_quiet; /* no event yet: a race is to be settled first */
    enum child_mode mode;
    bool takes_fragments, refuses_tfc;
    bool has_more; /* ADDITIONAL_TS_POSSIBLE is or was said */
    const char
        *why_tunnel; /* transport mode is configured and was not agreed; NULL = all is well */
};

enum { CHILDREN_MAX = 256 }; /* that a peer may have us make on one IKE SA */

/* Responder: which child of the connection meets the peer's selectors and proposals? old: the one
 * that is rekeyed, NULL = a new one. */
bool child_choose(struct world *w, const struct ike_sa *sa, const struct message *m,
                  const struct child_sa *old, bool is_create, uint16_t ke_group,
                  struct child_plan *out, struct finding *why);
/* Initiator: is the answer a part of what was asked? */
bool child_accept(struct world *w, const struct ike_sa *sa, const struct message *m,
                  const struct task *t, bool is_create, struct child_plan *out,
                  struct finding *why);
/* Keys, effects, bookkeeping. NULL: why. */
struct child_sa *child_install(struct world *w, struct ike_sa *sa, const struct child_plan *p,
                               struct span nonce_i, struct span nonce_r, struct span shared,
                               struct finding *why);
void child_use(struct world *w, struct child_sa *c);
void child_event_rekeyed(struct world *w, const struct ike_sa *sa, const struct child_sa *c);
void child_remove_outbound(struct world *w, struct child_sa *c);
/* Ends a child: effects, maps, memory. */
void child_drop(struct world *w, struct ike_sa *sa, struct child_sa *c, bool with_event);
struct child_sa *child_by_id(const struct ike_sa *sa, uint32_t id);
/* By the SPI that the peer names in REKEY_SA and Delete: our outbound one. */
struct child_sa *child_by_spi_out(const struct ike_sa *sa, uint32_t spi);
struct child_sa *child_by_name(const struct ike_sa *sa, const char *name);
struct selectors child_ts(struct world *w, const struct selectors *configured,
                          const struct address *host);
void child_schedule(struct world *w, struct child_sa *c);
/* Writes SA, TSi and TSr of our offer. */
bool child_write_offer(struct world *w, struct outgoing *o, const struct ike_sa *sa,
                       const struct task *t, bool with_ke);
void child_write_offer_ts(struct world *w, struct outgoing *o, const struct ike_sa *sa,
                          const struct task *t);
void child_write_choice(struct world *w, struct outgoing *o, const struct child_plan *p);
void child_write_choice_ts(struct world *w, struct outgoing *o, const struct child_plan *p);

/* ---- fresh.c: nonces and key exchange values of CREATE_CHILD_SA ---- */

struct fresh {
    const struct payload *nonce_p, *ke_p;
    struct span nonce;
    struct ke_payload ke; /* group 0: none */
};

bool fresh_read(struct world *w, const struct message *m, struct fresh *out, struct finding *why);
/* Our value for the peer's, and what both share. */
bool fresh_answer(struct world *w, const struct message *m, const struct fresh *f, uint16_t group,
                  struct span *public, struct big_secret *shared, struct finding *why);
/* What the peer's answer and our value share; group: chosen, 0 = none. */
bool fresh_shared(struct world *w, const struct message *m, const struct task *t,
                  const struct fresh *f, uint16_t group, struct big_secret *out,
                  struct finding *why);
/* RFC 6989 2.5: a value that is not of its group costs the sender the IKE SA. Other findings cost
 * nothing here. */
void fresh_punish(struct world *w, struct ike_sa *sa, bool by_peer, struct finding *why);

/* ---- child_mode.c ---- */

/* What we ask for: selectors with dynamic ones filled in, mode. */
struct child_offer {
    struct selectors local, remote; /* arena */
    enum child_mode mode;
    bool takes_fragments;
    const char *why_tunnel; /* as in struct child_plan */
};
void child_offer_of(struct world *w, const struct ike_sa *sa, const struct task *t,
                    struct child_offer *out);
void child_write_offer_notifies(struct outgoing *o, const struct child_offer *offer);
void child_write_choice_notifies(struct outgoing *o, const struct child_plan *p);
/* What the peer's message says beside SA and TS. */
struct child_says {
    bool transport, takes_fragments, refuses_tfc, has_more;
};
struct child_says child_read_notifies(const struct message *m);
/* Transport mode through a NAT, RFC 7296 2.23.1: the addresses as this host sees them. A copy. */
struct selectors child_substitute(struct world *w, const struct selectors *ts,
                                  const struct address *host);
/* true: transport mode between these hosts; else why says what is wrong. */
bool child_is_host_to_host(struct world *w, const struct ike_sa *sa, const struct selectors *local,
                           const struct selectors *remote, const char **why);
/* One list of both, without those inside another. */
struct selectors child_join(struct world *w, const struct selectors *x, const struct selectors *y);
/* false: the peer asks for an address that nobody here gives, RFC 7296 3.15.4; why. */
bool child_wants_no_address(struct world *w, const struct ike_sa *sa, const struct message *m,
                            struct finding *why);
/* Initiator, at IKE_AUTH: is the task's child to be made with the IKE SA, or by a wish after it
 * (RFC 6023; then the task has no child any more)? false: the peer does not allow what we want;
 * why. */
bool child_first_or_later(struct world *w, struct ike_sa *sa, struct finding *why);
/* Responder: may there be a child in IKE_AUTH, may there be none? false: why. */
bool child_may_be_first(struct world *w, const struct ike_sa *sa, const struct message *m,
                        struct finding *why);
bool child_may_be_missing(struct world *w, const struct ike_sa *sa, const struct message *m,
                          struct finding *why);
/* After SINGLE_PAIR_REQUIRED: once more for the pair of the packet alone, if it is known. true: a
 * wish has taken over the ticket. */
bool child_retry_pair(struct world *w, struct ike_sa *sa, const struct task *t,
                      const struct finding *why);
/* Warnings when a child stands: another mode, less traffic than asked for, or than before. */
void child_note_agreed(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                       struct record *r);
void child_note_shrunk(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                       const struct child_sa *old, struct record *r);

/* ---- patience.c: bounds of what an authenticated peer asks for ---- */

/* A CREATE_CHILD_SA request; adds_child: it rekeys nothing. */
bool patience_allows(struct world *w, struct ike_sa *sa, const struct message *m, bool adds_child,
                     struct finding *why);
/* Answers with the notify of the cause; takes the record. */
void patience_refuse(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why);

/* ---- create.c, informational.c ---- */

void create_begin_child(struct world *w, struct ike_sa *sa, const struct child_conf *conf,
                        struct conn *conn, const struct wish *wish);
void create_begin_ike(struct world *w, struct ike_sa *sa, uint64_t ticket);
void create_answer(struct world *w, struct ike_sa *sa, struct message *m);
/* Children and wishes of a rekeyed IKE SA go to its successor. */
void create_inherit(struct world *w, struct ike_sa *old, struct ike_sa *heir);
/* Our rekeying of the IKE SA came to nothing, but the peer's stands: that one is the heir. */
void create_yield(struct world *w, struct ike_sa *sa, struct task *t, struct ike_sa *heir);
/* The request of a task that waits for room in the window. */
void create_resend(struct world *w, struct ike_sa *sa, struct task *t);
/* The answer is authentic but cannot be taken for one: what it was about fails, the SA stays. */
void create_fail(struct world *w, struct ike_sa *sa, struct task *t, const struct message *m,
                 struct finding *why);
void create_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m);
void info_begin_close_child(struct world *w, struct ike_sa *sa, struct child_sa *c,
                            uint64_t ticket);
void info_begin_close_ike(struct world *w, struct ike_sa *sa, uint64_t ticket);
/* A Delete for an IKE SA that ends now: sent once, nobody waits for the answer. */
void info_send_last_delete(struct world *w, struct ike_sa *sa);
void info_begin_liveness(struct world *w, struct ike_sa *sa);
void info_begin_tell_id(struct world *w, struct ike_sa *sa, uint32_t message_id);
/* The peer has made a child that we do not want, RFC 7296 1.4.1: a Delete for our SPI of it. */
void info_begin_disown(struct world *w, struct ike_sa *sa, uint32_t spi_in);
void info_answer(struct world *w, struct ike_sa *sa, struct message *m);
void info_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m);

/* ---- task.c ---- */

/* One more at the end of sa->tasks. NULL: no memory, and the ticket has its outcome. */
struct task *task_new(struct world *w, struct ike_sa *sa, enum task_kind kind, uint64_t ticket);
/* Out of sa->tasks: the caller's. */
void task_take(struct ike_sa *sa, struct task *t);
void task_free(struct task *t);
/* Whose answer this is; NULL: nobody's. */
struct task *task_of_message(const struct ike_sa *sa, uint32_t message_id);
/* The one that makes a new child with this configuration. */
struct task *task_of_conf(const struct ike_sa *sa, const char *child_name);
/* What the peer asks against all that we do: the strongest verdict of the table. child_id 0: it is
 * about no child that we have. */
enum collide task_collide(const struct ike_sa *sa, enum asked asked, uint32_t child_id);
/* The wish can be served now: RFC 7296 2.3, 2.25; see exchange_next(). */
bool task_allows(const struct ike_sa *sa, const struct wish *wish);

/* ---- retry.c ---- */

/* TEMPORARY_FAILURE: the wish comes back later, or the IKE SA ends. RFC 7296 2.25. */
void retry_later(struct world *w, struct ike_sa *sa, const struct task *t);
/* An exchange came to an end, good or bad. */
void retry_settled(struct ike_sa *sa);

/* ---- reauth.c ---- */

struct reauth;

/* Of an IKE SA that was authenticated just now. */
void reauth_schedule(struct world *w, struct ike_sa *sa);
void reauth_inherit(struct ike_sa *old, struct ike_sa *heir);
/* AUTH_LIFETIME, RFC 4478: heard in IKE_AUTH and INFORMATIONAL, told in our IKE_AUTH answer. */
void reauth_heard(struct world *w, struct ike_sa *sa, const struct message *m);
void reauth_tell(struct outgoing *o, const struct conn *c);
void reauth_on_time(struct world *w, struct ike_sa *sa);
void reauth_begin(struct world *w, struct ike_sa *sa, uint64_t ticket);
/* Make before break: all that the new IKE SA is to have stands, or does not come. */
void reauth_progress(struct world *w, struct ike_sa *sa);
void reauth_failed(struct world *w, struct ike_sa *sa, const struct finding *why);
void reauth_next_attempt(struct world *w, struct ike_sa *from, struct ike_sa *to);
/* Break before make: the old one is gone. Takes r. */
void reauth_after_end(struct world *w, struct reauth *r);
/* Somebody wants the end of it. */
void reauth_give_up(struct world *w, struct ike_sa *sa);

/* ---- late.c ---- */

/* Our request for a child is unanswered: the peer may know of one that we do not. */
bool late_may_teach(const struct ike_sa *sa);
void late_note_close(struct ike_sa *sa, uint32_t spi_out);
bool late_is_closed(const struct ike_sa *sa, uint32_t spi_out);
/* Once no such request is in flight. */
void late_forget(struct ike_sa *sa);

/* ---- message_ids.c ---- */

/* Says in this message how many requests we take at once, if it has not been said. */
void ids_announce(struct world *w, struct ike_sa *sa, struct outgoing *o);
/* SET_WINDOW_SIZE of the peer, if the message holds it. */
void ids_note_peer(struct ike_sa *sa, const struct message *m);
/* An authentic request ahead of the window: a finding, and the peer is told, now and then. */
void ids_beyond(struct world *w, struct ike_sa *sa, const struct message *m);
/* The peer says INVALID_MESSAGE_ID. */
void ids_refused(struct world *w, struct ike_sa *sa, const struct message *m,
                 const struct notify *n);
/* Near the end of the numbers: wishes a successor. true: they are used up, the SA is gone. */
bool ids_last(struct world *w, struct ike_sa *sa);
/* ---- closing.c ---- */

/* A packet was seen on it, in either direction. */
void closing_used(struct world *w, struct ike_sa *sa, struct child_sa *c);
/* When it is closed if nothing is seen until then. */
struct instant closing_due(const struct ike_sa *sa, const struct child_sa *c);
void closing_on_time(struct world *w, struct ike_sa *sa, struct child_sa *c);
/* The child of IKE_AUTH came to nothing. */
void closing_child_failed(struct world *w, struct ike_sa *sa);

/* ---- reqid.c ---- */

/* One more user of the number for this child and these selectors. */
uint32_t reqid_take(struct world *w, const struct conn *conn, const struct child_conf *conf,
                    const struct selectors *local, const struct selectors *remote);
void reqid_share(struct world *w, const struct child_conf *conf, uint32_t number);
void reqid_give_back(struct world *w, const struct child_conf *conf, uint32_t number);
void reqid_clear(struct world *w);

/* ---- exchange.c ---- */

/* Sends our request and keeps it for retransmission; false: the SA is lost (res.crypto,
 * res.memory). */
bool exchange_send_request(struct world *w, struct ike_sa *sa, struct task *t, struct outgoing *o,
                           struct record *r);
/* Sends the answer to the request that is being handled and keeps it. */
bool exchange_send_answer(struct world *w, struct ike_sa *sa, struct outgoing *o, struct record *r);
/* A wish could be served at once. */
bool exchange_has_next(const struct world *w, const struct ike_sa *sa);
/* Serves wishes while the window has room. */
void exchange_next(struct world *w, struct ike_sa *sa);
/* Adds a wish; if it cannot be kept, its ticket gets that outcome. */
void exchange_wish(struct world *w, struct ike_sa *sa, struct wish wish);
/* The SA ends with this finding (lost peer, fatal answer …). */
void exchange_lose(struct world *w, struct ike_sa *sa, struct finding *why);
/* Takes the SA away with its tickets answered and a closing record. why NULL: as wanted. */
void exchange_finish(struct world *w, struct ike_sa *sa, bool by_peer, struct finding *why);

#endif
