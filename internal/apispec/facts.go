package apispec
func Facts(doc *Document) ([]byte, error) { return []byte("{}"), nil }
