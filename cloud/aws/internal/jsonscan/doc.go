// Package jsonscan reads JSON documents of any size in bounded memory: a file
// of hundreds of megabytes, of which a small part is wanted.
//
//	s := jsonscan.New(body)
//	err := s.Object(func(key []byte) error {
//		if string(key) != "products" {
//			return s.Skip()
//		}
//		return s.Object(product)
//	})
//	if err == nil {
//		err = s.End()
//	}
//
// What is read is checked as JSON. What is skipped is checked for its structure
// only: strings end, brackets match, nesting is bounded.
package jsonscan
