// Package record is the service that keeps what is known of every invocation,
// and finds it again. Nobody but internal/platform and the control wire imports
// it: the former fills it, the latter asks it. Both see it as a
// [pinfold.RecordStore].
//
// Invocations never wait for it. They put their record into a [Writer], which
// takes what has come to the store a hundred times a second at most, and drops
// and counts what finds no room.
//
// A [Store] is a folder. Records go to the end of a journal, which survives the
// end of the process with all but what the Writer still holds. A journal that is
// full is sealed: written anew as a Parquet file, sorted by function and time,
// each column compressed by itself, and then never changed. Whatever reads
// Parquet reads these files.
//
//	00000042.journal
//	00000041_20261121T202709.123456789Z_20261121T203012.000000000Z_32768_1a2b3c4d.parquet
//
// The name of a segment says when its oldest and its newest record came, how
// many there are, and the checksum of all of it: nothing else has to be kept of a
// segment, and none is opened that a query is not about. One that is damaged costs
// what is in it; queries go on with the others and say so.
package record
