# One instance in each partition, with everything that has an ARN or a host's name in it.
#
# The partition follows from the region where the provider does not ask who is calling: the emulator says `aws` for all.
provider "aws" {
  alias                       = "china"
  region                      = "cn-north-1"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "commercial"
  region                      = "ap-southeast-3"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "govcloud"
  region                      = "us-gov-west-1"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

module "china" {
  source    = "../../../.."
  providers = { aws = aws.china }

  api_key_secret  = { arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/0a1b" }
  existing_stages = { shop = { kind = "HTTP", api_id = "f6g7h8i9j0", stage = "live" } }
  kms_key         = { create = true }
  rest_apis       = { shop = { id = "abcdef1234" } }
}

module "commercial" {
  source    = "../../../.."
  providers = { aws = aws.commercial }

  api_key_secret  = { arn = "arn:aws:secretsmanager:ap-southeast-3:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws:kms:ap-southeast-3:123456789012:key/0a1b" }
  existing_stages = { shop = { kind = "HTTP", api_id = "f6g7h8i9j0", stage = "live" } }
  kms_key         = { create = true }
  rest_apis       = { shop = { id = "abcdef1234" } }
}

module "govcloud" {
  source    = "../../../.."
  providers = { aws = aws.govcloud }

  api_key_secret  = { arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/0a1b" }
  existing_stages = { shop = { kind = "HTTP", api_id = "f6g7h8i9j0", stage = "live" } }
  kms_key         = { create = true }
  rest_apis       = { shop = { id = "abcdef1234" } }
}

module "account_logging" {
  source    = "../../../../modules/account_logging"
  providers = { aws = aws.govcloud }
}
