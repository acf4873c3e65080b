// Package schedule is the service that keeps time: schedules of EventBridge
// Scheduler and rules of EventBridge that have a schedule.
//
// [Service] has the rules by which both are made, changed and listed, over the
// store. [Service.Run] sends, through [pinfold.EventSender], one message for each
// moment at which one of them is due. When that is, internal/timetable says; who
// takes the messages is not known here.
//
// One goroutine keeps time. It holds of each schedule when it is next due, in a
// heap, and of what it is no more than that; what is sent is read when its time
// has come. It learns of changes after their commit. Sending is done by others,
// so many at a time in all and fewer to one target: one that is slow or fails
// holds up nobody else.
//
// A moment has an ID that follows from its schedule and its time, so that it is
// the same message whoever sends it, however often. What has been sent is known by
// one mark: of all moments up to it each has reached its target or is noted at its
// schedule as one that has not (Unsent). The mark is written soon after something
// was sent, and not otherwise. What was due after it while nobody kept time is
// missed; see [pinfold.MissedPolicy].
//
// Time is the machine's clock. If that is put forward, what it passes over is
// missed. If it is put back, schedules wait until it has come to where it was, so
// that nothing is sent twice; if that is by more than a day it was wrong before, and
// they begin anew.
//
// Sources: EventBridge Scheduler user guide and API reference; EventBridge user
// guide and API reference. AWS's quotas that can be raised are not held here.
package schedule
