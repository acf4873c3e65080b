package record

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What follows puts a Parquet file together of pages that the library encodes.
// The library's own writer takes rows, finds out by reflection what they have,
// looks up each of their texts, and reads its pages again for filters: that takes
// three times as long, for every invocation that there is. Source: "File format", parquet.apache.org.

// pageRows is how many rows are compressed together: what is read to get one.
const pageRows = 2048

// filterBits is how many bits of a filter there are for each id.
const filterBits = 10

const parquetMagic = "PAR1"

// blank returns the metadata of a file with one row: the schema, and how each
// column is encoded.
func blank() (*format.FileMetaData, error) {
	var out bytes.Buffer
	w := parquet.NewGenericWriter[row](&out, parquet.PageBufferSize(64), parquet.CreatedBy("pinfold", "", ""),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("function"), parquet.Ascending("time"))))
	if _, err := w.Write(make([]row, 1)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		return nil, err
	}
	return file.Metadata(), nil
}

// sealer makes segments. It keeps the room that one took for the next.
type sealer struct {
	table      table
	meta       *format.FileMetaData
	offsets    []format.OffsetIndex // where the pages of each column are
	zstd       *zstd.Encoder
	out        []byte
	numbers    []int64
	words      []int32
	page       []byte
	compressed []byte
}

func newSealer() (*sealer, error) {
	meta, err := blank()
	if err != nil {
		return nil, err
	}
	columns := meta.RowGroups[0].Columns
	for i := range columns {
		columns[i].ColumnIndexOffset, columns[i].ColumnIndexLength = 0, 0
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	return &sealer{meta: meta, offsets: make([]format.OffsetIndex, len(columns)), zstd: z}, err
}

// rows is how many records the table has.
func (s *sealer) rows() int { return len(s.table.times) }

// encode returns the records in the table as a Parquet file, by function and
// time. It is good until the next call.
func (s *sealer) encode() ([]byte, error) {
	rows := s.table.order()
	s.out = append(slices.Grow(s.out[:0], 100*len(rows)), parquetMagic...)
	group := &s.meta.RowGroups[0]
	columns := group.Columns
	group.FileOffset, group.TotalByteSize = int64(len(s.out)), 0
	for i := range columns {
		if err := s.column(rows, &columns[i].MetaData, &s.offsets[i]); err != nil {
			return nil, err
		}
		group.TotalByteSize += columns[i].MetaData.TotalUncompressedSize
	}
	group.TotalCompressedSize = int64(len(s.out)) - group.FileOffset
	for i := range columns {
		if err := s.filter(len(rows), &columns[i].MetaData); err != nil {
			return nil, err
		}
	}
	for i := range columns {
		c := &columns[i]
		c.OffsetIndexOffset = int64(len(s.out))
		if err := s.append(&s.offsets[i]); err != nil {
			return nil, err
		}
		c.OffsetIndexLength = int32(int64(len(s.out)) - c.OffsetIndexOffset)
	}
	s.meta.NumRows, group.NumRows = int64(len(rows)), int64(len(rows))
	footer := len(s.out)
	if err := s.append(s.meta); err != nil {
		return nil, err
	}
	s.out = binary.LittleEndian.AppendUint32(s.out, uint32(len(s.out)-footer))
	s.out = append(s.out, parquetMagic...)
	return s.out, nil
}

// append appends a structure of the format's.
func (s *sealer) append(structure any) error {
	out := bytes.NewBuffer(s.out)
	err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(out)).Encode(structure)
	s.out = out.Bytes()
	return err
}

// column appends the pages of a column, and notes where they are.
func (s *sealer) column(rows []int32, meta *format.ColumnMetaData, at *format.OffsetIndex) error {
	name := meta.PathInSchema[0]
	*meta = format.ColumnMetaData{
		Type: meta.Type, Encoding: meta.Encoding, PathInSchema: meta.PathInSchema, Codec: meta.Codec, NumValues: int64(len(rows)),
	}
	begin, t := len(s.out), &s.table
	encode := s.bytesOf(name)
	if i := slices.Index(textColumns[:], name); i > 0 {
		words := &t.words[i-1]
		meta.DictionaryPageOffset = int64(len(s.out))
		if err := s.dictionary(words, meta); err != nil {
			return err
		}
		encode = s.wordsOf(words)
	} else if numbers := t.column(name); numbers != nil {
		encode = s.numbersOf(numbers)
	}
	meta.DataPageOffset = int64(len(s.out))
	at.PageLocations = at.PageLocations[:0]
	first := int64(0)
	for piece := range slices.Chunk(rows, pageRows) {
		encoding, err := encode(piece)
		if err != nil {
			return err
		}
		place := format.PageLocation{Offset: int64(len(s.out)), FirstRowIndex: first}
		header := format.PageHeader{Type: format.DataPageV2}
		header.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{
			NumValues: int32(len(piece)), NumRows: int32(len(piece)), Encoding: encoding, IsCompressed: thrift.New(meta.Codec != format.Uncompressed),
		})
		if err := s.write(&header, meta); err != nil {
			return err
		}
		place.CompressedPageSize = int32(int64(len(s.out)) - place.Offset)
		at.PageLocations = append(at.PageLocations, place)
		first += int64(len(piece))
	}
	meta.TotalCompressedSize = int64(len(s.out) - begin)
	s.bounds(rows, meta)
	return nil
}

// dictionary appends the page of a column's words.
func (s *sealer) dictionary(c *wordColumn, meta *format.ColumnMetaData) error {
	s.page = s.page[:0]
	for _, word := range c.words {
		s.page = binary.LittleEndian.AppendUint32(s.page, uint32(len(word)))
		s.page = append(s.page, word...)
	}
	header := format.PageHeader{Type: format.DictionaryPage}
	header.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: int32(len(c.words)), Encoding: format.Plain})
	return s.write(&header, meta)
}

// write appends the page, compressed if its column is.
func (s *sealer) write(header *format.PageHeader, meta *format.ColumnMetaData) error {
	page := s.page
	if meta.Codec != format.Uncompressed {
		s.compressed = s.zstd.EncodeAll(page, s.compressed[:0])
		page = s.compressed
	}
	header.UncompressedPageSize, header.CompressedPageSize = int32(len(s.page)), int32(len(page))
	header.CRC = int32(crc32.ChecksumIEEE(page))
	begin := len(s.out)
	if err := s.append(header); err != nil {
		return err
	}
	meta.TotalUncompressedSize += int64(len(s.out) - begin + len(s.page))
	s.out = append(s.out, page...)
	return nil
}

// encoder makes the page that some rows of a column are.
type encoder func(rows []int32) (format.Encoding, error)

func (s *sealer) wordsOf(c *wordColumn) encoder {
	return func(rows []int32) (_ format.Encoding, err error) {
		s.words = s.words[:0]
		for _, row := range rows {
			s.words = append(s.words, int32(c.index[row]))
		}
		s.page, err = parquet.RLEDictionary.EncodeInt32(s.page, s.words)
		return format.RLEDictionary, err
	}
}

func (s *sealer) numbersOf(numbers []int64) encoder {
	return func(rows []int32) (_ format.Encoding, err error) {
		s.numbers = s.numbers[:0]
		for _, row := range rows {
			s.numbers = append(s.numbers, numbers[row])
		}
		s.page, err = new(delta.BinaryPackedEncoding).EncodeInt64(s.page, s.numbers)
		return format.DeltaBinaryPacked, err
	}
}

func (s *sealer) bytesOf(name string) encoder {
	t := &s.table
	return func(rows []int32) (format.Encoding, error) {
		s.page = s.page[:0]
		for _, row := range rows {
			switch name {
			case "request_id":
				id := t.request(row)
				s.page = append(binary.LittleEndian.AppendUint32(s.page, uint32(len(id))), id...)
			case "trace_id":
				s.page = append(s.page, t.trace(row)...)
			case "span_id":
				s.page = append(s.page, t.span(row)...)
			case "parent_id":
				s.page = append(s.page, t.parent(row)...)
			}
		}
		return format.Plain, nil
	}
}

// column returns a column of numbers, or nil.
func (t *table) column(name string) []int64 {
	switch name {
	case "time":
		return t.times
	case "memory_mb":
		return t.numbers[numberCount]
	case "peak_mb":
		return t.numbers[numberCount+1]
	}
	if i := slices.Index(numberColumns[:], name); i >= 0 {
		return t.numbers[i]
	}
	return nil
}

// bounds notes the least and the largest value of the columns that rows are
// ordered by: other readers pass a file over by them.
func (s *sealer) bounds(rows []int32, meta *format.ColumnMetaData) {
	t := &s.table
	var low, high []byte
	switch meta.PathInSchema[0] {
	case "function":
		c := &t.words[functionColumn]
		low, high = []byte(c.words[c.index[rows[0]]]), []byte(c.words[c.index[rows[len(rows)-1]]])
	case "time":
		low = binary.LittleEndian.AppendUint64(nil, uint64(slices.Min(t.times)))
		high = binary.LittleEndian.AppendUint64(nil, uint64(slices.Max(t.times)))
	}
	meta.Statistics = format.Statistics{MinValue: low, MaxValue: high}
}

// filter appends the filter of a column of ids that are searched.
func (s *sealer) filter(rows int, meta *format.ColumnMetaData) error {
	id := s.table.request
	switch meta.PathInSchema[0] {
	case "request_id":
	case "trace_id":
		id = s.table.trace
	default:
		return nil
	}
	filter := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(rows), filterBits))
	for row := range int32(rows) {
		filter.Insert(bloom.XXH64{}.Sum64(id(row)))
	}
	header := format.BloomFilterHeader{NumBytes: int32(len(filter.Bytes()))}
	header.Algorithm.Value = &format.SplitBlockAlgorithm{}
	header.Hash.Value = &format.XxHash{}
	header.Compression.Value = &format.BloomFilterUncompressed{}
	meta.BloomFilterOffset = int64(len(s.out))
	if err := s.append(&header); err != nil {
		return err
	}
	s.out = append(s.out, filter.Bytes()...)
	meta.BloomFilterLength = int32(int64(len(s.out)) - meta.BloomFilterOffset)
	return nil
}
