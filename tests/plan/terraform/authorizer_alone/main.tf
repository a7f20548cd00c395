# The one module without the other, and keys that differ where both are there.
module "alone" {
  source = "../../../.."

  name           = "alone"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  metering       = null
  rest_apis      = { shop = { id = "abcdef1234" } }
}

module "own_key" {
  source = "../../../.."

  name           = "own-key"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }

  authorizer = {
    api_key_secret   = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:entitlements-GhIjKl" }
    client_id_source = { name = "X-Consumer" }
  }
}

output "redeployment_hashes" {
  value = [module.alone.redeployment_hash, module.own_key.redeployment_hash]
}
