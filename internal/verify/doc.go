// Package verify proves, on servers and agents that run, that every
// acknowledged event is counted exactly once. It sends numbered events as any
// v1 client does, remembers which posts were answered, reads everything back
// over the public API and says of each single event how often it was counted.
//
// # How an event can be told from all others
//
// A sum that comes out right may hide a lost event behind one counted twice.
// So each event has a place of its own in an answer of the server:
//
//   - A post has one event for each of the run's tabs (100 by default), all
//     TotalsCounters. So an event is told from others of its post by its tab.
//   - 26 posts of one writer in a row are a page, and the page is the client's
//     name. So an event is told from those of other pages by its client.
//   - The event of post i of a page has the value 4^i.
//
// What the server answers for one tab and one client is then a number in base
// 4 whose digit i says how often the event of post i was counted: 0 is
// missing, 1 is right, 2 and 3 are duplicates. At most it is 4^26 - 1, which a
// float64 holds exactly. An event counted four times or more would carry into
// the next digit, and each carry makes the sum of the digits smaller by three;
// so digits are believed only if their sum is the count, which the server
// keeps apart from the total. If it is not, all that is counted too often is
// a duplicate and the page is reported as a whole.
//
// # What is expected of an event
//
//   - Its post was answered 200: counted exactly once (A1; A2 if the post went
//     to a server itself).
//   - No answer came, or one that leaves it open (a time limit, a connection
//     that broke, 503): in doubt, counted once or not at all. Such a post is
//     never sent again, because v1 has no number by which the receiver could
//     tell.
//   - No connection could be made: nothing was sent, so the same post is tried
//     again.
//
// While posts are being sent, other goroutines read single pages. An event
// that a server had acknowledged before such a read began must be in it (A2);
// none may be there that was not sent by its end, none twice, and none that
// was there before may be gone.
//
// # Concurrency and back-pressure
//
// A Session's methods may be called concurrently, but Send and ReadBack each
// once, in this order. A writer has one post under way; it keeps a byte for
// each post and nothing for an event. Refusals for capacity slow it down.
package verify
