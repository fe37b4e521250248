package basicauth

import "hash/maphash"

// users are the people of one file. They are immutable.
type users struct {
	byName map[string]*hash
	// standIns are the hashes in a fixed order: one of them is checked for a user that does not exist, so that the time
	// it takes does not tell.
	standIns []*hash
	seed     maphash.Seed
}

// parseFile reads the users of a file and passes over bad lines.
func parseFile(text string) (*users, error) {
	u := &users{byName: make(map[string]*hash), seed: maphash.MakeSeed()}
	_, err := readFile(text, func(name, hashText string, k kind) {
		if h := newHash(hashText, k); h != nil {
			u.byName[name] = h
			u.standIns = append(u.standIns, h)
		}
	})
	if err == nil && len(u.standIns) == 0 {
		err = errNoUsers
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// find returns the hash of a user; or, and false, that of somebody else to spend the same time on.
func (u *users) find(name string) (*hash, bool) {
	if h, ok := u.byName[name]; ok {
		return h, true
	}
	return u.standIns[maphash.String(u.seed, name)%uint64(len(u.standIns))], false
}
