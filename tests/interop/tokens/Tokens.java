// Answers questions from standard input, one JSON array: {library, op: "verify" | "sign", alg, …} each.

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.Ed25519Signer;
import com.nimbusds.jose.crypto.Ed25519Verifier;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.OctetKeyPairGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONArrayUtils;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

public class Tokens {
  static JWTClaimsSet verify(Map<String, Object> q) throws Exception {
    String token = JSONObjectUtils.getString(q, "token");
    JWKSet keys = JWKSet.parse(JSONObjectUtils.getJSONObject(q, "jwks"));
    JWSAlgorithm alg = JWSAlgorithm.parse(JSONObjectUtils.getString(q, "alg"));
    var claims = new DefaultJWTClaimsVerifier<SecurityContext>(
        JSONObjectUtils.getString(q, "audience"),
        new JWTClaimsSet.Builder().issuer(JSONObjectUtils.getString(q, "issuer")).build(),
        Set.of("sub", "exp", "jti"));
    if (alg.equals(JWSAlgorithm.EdDSA)) { // the processor has no verifier of these
      SignedJWT parsed = SignedJWT.parse(token);
      OctetKeyPair key = keys.getKeyByKeyId(parsed.getHeader().getKeyID()).toOctetKeyPair();
      JWSVerifier verifier = new Ed25519Verifier(key);
      if (!parsed.getHeader().getAlgorithm().equals(alg) || !parsed.verify(verifier)) {
        throw new SecurityException("bad signature");
      }
      claims.verify(parsed.getJWTClaimsSet(), null);
      return parsed.getJWTClaimsSet();
    }
    var processor = new DefaultJWTProcessor<SecurityContext>();
    processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(alg, new ImmutableJWKSet<>(keys)));
    processor.setJWTClaimsSetVerifier(claims);
    return processor.process(token, null);
  }

  static Map<String, Object> sign(Map<String, Object> q) throws Exception {
    String alg = JSONObjectUtils.getString(q, "alg");
    JWK key = switch (alg) {
      case "ES256" -> new ECKeyGenerator(Curve.P_256).keyID("theirs").generate();
      case "EdDSA" -> new OctetKeyPairGenerator(Curve.Ed25519).keyID("theirs").generate();
      default -> new RSAKeyGenerator(2048).keyID("theirs").generate();
    };
    JWSSigner signer = switch (alg) {
      case "ES256" -> new ECDSASigner(key.toECKey());
      case "EdDSA" -> new Ed25519Signer(key.toOctetKeyPair());
      default -> new RSASSASigner(key.toRSAKey());
    };
    var header = new JWSHeader.Builder(JWSAlgorithm.parse(alg)).type(new JOSEObjectType("at+jwt")).keyID("theirs").build();
    var jwt = new SignedJWT(header, JWTClaimsSet.parse(JSONObjectUtils.getJSONObject(q, "claims")));
    jwt.sign(signer);
    Map<String, Object> jwk = key.toPublicJWK().toJSONObject();
    jwk.put("alg", alg);
    return Map.of("token", jwt.serialize(), "jwk", jwk);
  }

  @SuppressWarnings("unchecked")
  public static void main(String[] arguments) throws Exception {
    String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
    List<Object> answers = new ArrayList<>();
    for (Object one : JSONArrayUtils.parse(text)) {
      var q = (Map<String, Object>) one;
      try {
        answers.add(q.get("op").equals("sign") ? sign(q) : Map.of("claims", verify(q).toJSONObject()));
      } catch (Exception error) {
        answers.add(Map.of("refused", String.valueOf(error.getMessage())));
      }
    }
    System.out.println(JSONArrayUtils.toJSONString(answers));
  }
}
