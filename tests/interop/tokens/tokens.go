// Answers questions from standard input, one JSON array: {library, op: "verify" | "sign", alg, …} each.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

type question struct {
	Library, Op, Alg, Token, Issuer, Audience string
	Jwks                                      jose.JSONWebKeySet
	Claims                                    jwt.MapClaims
}

type answer struct {
	Claims  map[string]any   `json:"claims,omitempty"`
	Token   string           `json:"token,omitempty"`
	Jwk     *jose.JSONWebKey `json:"jwk,omitempty"`
	Refused string           `json:"refused,omitempty"`
}

func verifyGolangJwt(q question) (map[string]any, error) {
	claims := jwt.MapClaims{}
	find := func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		found := q.Jwks.Key(kid)
		if len(found) != 1 {
			return nil, errors.New("unknown key")
		}
		return found[0].Key, nil
	}
	_, err := jwt.ParseWithClaims(q.Token, claims, find, jwt.WithValidMethods([]string{q.Alg}),
		jwt.WithIssuer(q.Issuer), jwt.WithAudience(q.Audience), jwt.WithExpirationRequired())
	return claims, err
}

func verifyGoOidc(q question) (map[string]any, error) {
	keys := &oidc.StaticKeySet{}
	for _, key := range q.Jwks.Keys {
		keys.PublicKeys = append(keys.PublicKeys, key.Key)
	}
	verifier := oidc.NewVerifier(q.Issuer, keys,
		&oidc.Config{ClientID: q.Audience, SupportedSigningAlgs: []string{q.Alg}})
	token, err := verifier.Verify(context.Background(), q.Token)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	return claims, token.Claims(&claims)
}

func pair(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
}

func sign(q question) (answer, error) {
	key, err := pair(q.Alg)
	if err != nil {
		return answer{}, err
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(q.Alg), q.Claims)
	token.Header["typ"], token.Header["kid"] = "at+jwt", "theirs"
	text, err := token.SignedString(key)
	return answer{Token: text, Jwk: &jose.JSONWebKey{Key: key.Public(), KeyID: "theirs", Algorithm: q.Alg, Use: "sig"}}, err
}

func answered(q question) answer {
	var made answer
	var err error
	switch {
	case q.Op == "sign":
		made, err = sign(q)
	case q.Library == "go-oidc":
		made.Claims, err = verifyGoOidc(q)
	default:
		made.Claims, err = verifyGolangJwt(q)
	}
	if err != nil {
		return answer{Refused: err.Error()}
	}
	return made
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := make([]answer, len(questions))
	for i, q := range questions {
		answers[i] = answered(q)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
